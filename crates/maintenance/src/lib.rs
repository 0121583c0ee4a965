#![doc = include_str!("../README.md")]

mod alert;
mod analyze;
mod bytes;
mod check_integrity;
mod check_tenant_audit;
mod checkpoint_sink;
mod close_usage;
mod duration;
mod engine;
mod erase_audit;
mod erase_tenant;
mod error;
mod export_tenant;
mod import_tenant;
mod job;
mod jobs;
mod key_report;
#[cfg(feature = "object-storage")]
mod object_sink;
mod purge_deleted;
mod reencrypt;
mod reindex;
mod remove_expired;
mod remove_usage_events;
mod retain_audit;
mod schedule;
mod scheduler;
mod seal_audit;
mod seed;
mod sizes;
mod sweep;
mod tenant;
mod tenant_file;
mod vacuum;
mod verify_audit;

pub use alert::{Notifier, Smtp, check_size, deliver_alerts};
pub use analyze::{Analyzed, analyze};
pub use bytes::{parse_bytes, pretty_bytes};
pub use check_integrity::{Integrity, check_integrity};
pub use check_tenant_audit::{CheckedTenantAudit, check_tenant_audit};
pub use checkpoint_sink::{checkpoint_sink, kept_checkpoints};
pub use close_usage::{ClosedUsage, close_usage, reset_usage};
pub use engine::Engine;
pub use erase_audit::erase_from_audit;
pub use erase_tenant::erase_tenant;
pub use error::{EngineFault, Error, Result};
pub use export_tenant::export_tenant;
pub use import_tenant::{ImportedTenant, import_tenant};
pub use job::{Job, JobContext};
pub use jobs::{
    Analyze, CaptureSize, CheckIntegrity, CloseUsage, PurgeDeleted, Reencrypt, Reindex, RemoveExpired,
    RemoveUsageEvents, SealAudit, TidyBooks, Vacuum,
};
pub use key_report::{KeyReport, key_report};
pub use purge_deleted::{PurgedDeleted, purge_deleted};
pub use reencrypt::{Reencrypted, reencrypt};
pub use reindex::{Reindexed, reindex};
pub use remove_expired::{RemovedExpired, remove_expired};
pub use remove_usage_events::remove_usage_events;
pub use retain_audit::{RetainedAudit, retain_audit};
pub use schedule::{Missed, Schedule, ScheduleSettings};
pub use scheduler::{JobStatus, RunOutcome, RunReport, Scheduler, SchedulerOptions, Upcoming};
pub use seal_audit::{SealedAudit, seal_audit};
pub use seed::{Seed, SeedAgency, SeedUser, Seeded, seed};
pub use sizes::{Growth, Sizes, TableSize, TenantRows, growth, keep_sizes, sizes};
pub use sweep::Sweep;
pub use tenant::tenant_named;
pub use vacuum::{Vacuumed, vacuum};
pub use verify_audit::{Verification, verify_audit};
