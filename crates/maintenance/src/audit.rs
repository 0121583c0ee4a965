//! Maintenance of the audit log: sealing, verification, retention, erasure.

mod check_tenant_audit;
mod checkpoint_sink;
mod continued_export;
mod erase_audit;
#[cfg(feature = "object-storage")]
mod object_sink;
mod retain_audit;
mod seal_audit;
mod verify_audit;
mod witness_audit;

pub use check_tenant_audit::{CheckedTenantAudit, ExportedBatch, check_tenant_audit};
pub use checkpoint_sink::{checkpoint_sink, checkpoint_sinks, kept_checkpoints, read_checkpoints};
pub use continued_export::{ContinuedExport, continues_export};
pub use erase_audit::erase_from_audit;
pub use retain_audit::{RetainedAudit, retain_audit};
pub use seal_audit::{SealedAudit, seal_audit};
pub use verify_audit::{Verification, verify_audit};
pub use witness_audit::witness_audit;
