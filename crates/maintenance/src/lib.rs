#![doc = include_str!("../README.md")]

mod close_usage;
mod erase_audit;
mod erase_tenant;
mod error;
mod export_tenant;
mod import_tenant;
mod key_report;
mod purge_deleted;
mod reencrypt;
mod remove_expired;
mod remove_usage_events;
mod retain_audit;
mod seal_audit;
mod seed;
mod sweep;
mod tenant;
mod tenant_file;
mod verify_audit;

pub use close_usage::{ClosedUsage, close_usage, reset_usage};
pub use erase_audit::erase_from_audit;
pub use erase_tenant::erase_tenant;
pub use error::{Error, Result};
pub use export_tenant::export_tenant;
pub use import_tenant::{ImportedTenant, import_tenant};
pub use key_report::{KeyReport, key_report};
pub use purge_deleted::{PurgedDeleted, purge_deleted};
pub use reencrypt::{Reencrypted, reencrypt};
pub use remove_expired::{RemovedExpired, remove_expired};
pub use remove_usage_events::remove_usage_events;
pub use retain_audit::{RetainedAudit, retain_audit};
pub use seal_audit::{SealedAudit, seal_audit};
pub use seed::{Seed, SeedAgency, SeedUser, Seeded, seed};
pub use sweep::Sweep;
pub use tenant::tenant_named;
pub use verify_audit::{Verification, verify_audit};
