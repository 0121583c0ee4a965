#![doc = include_str!("../README.md")]

mod alert;
mod audit;
mod backup;
mod bytes;
mod engine;
mod error;
mod job;
mod jobs;
mod scheduler;
mod secrets;
mod seed;
mod sweep;
mod tenant;
mod usage;
mod work;

pub use alert::{Notifier, Smtp, check_backup_age, check_size, deliver_alerts};
pub use audit::{
    CheckedTenantAudit, RetainedAudit, SealedAudit, Verification, check_tenant_audit, checkpoint_sink,
    erase_from_audit, kept_checkpoints, retain_audit, seal_audit, verify_audit,
};
pub use backup::{
    Backup, BackupCheck, BackupEncryption, BackupFile, BackupFolder, CheckStatus, CreateOptions, EncryptTo, Erasure,
    ListedBackup, Locale, Manifest, OpenBackup, PruneRule, RecoveryCertificate, RepeatedErasures, Replacement, Scratch,
    Unlock, create_backup, note_erasures, prune_backups, repeat_erasures, restore_into,
};
pub use bytes::{parse_bytes, pretty_bytes};
pub use engine::{
    Analyzed, Engine, Growth, Integrity, Reindexed, Sizes, TableSize, TenantRows, Vacuumed, analyze, check_integrity,
    growth, keep_sizes, reindex, sizes, vacuum,
};
pub use error::{EngineFault, Error, Result};
pub use job::{Job, JobContext, Missed};
pub use jobs::LibraryJob;
pub use scheduler::{
    JobStatus, RunOutcome, RunReport, Schedule, ScheduleSettings, Scheduler, SchedulerOptions, Upcoming,
};
pub use secrets::{KeyReport, Reencrypted, key_report, reencrypt};
pub use seed::{Seed, SeedAgency, SeedUser, Seeded, seed};
pub use sweep::{PurgedDeleted, RemovedExpired, Sweep, purge_deleted, remove_expired, remove_usage_events};
pub use tenant::{
    ImportedTenant, ReplacedTenant, erase_tenant, export_tenant, import_tenant, replace_tenant, tenant_named,
};
pub use usage::{ClosedUsage, close_usage, reset_usage};
