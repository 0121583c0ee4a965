#![doc = include_str!("../README.md")]

mod alert;
mod answer;
mod audit;
mod backup;
mod bytes;
mod doctor;
mod engine;
mod error;
mod files;
mod job;
mod jobs;
mod os_user;
mod pitr;
mod scheduler;
mod secrets;
mod seed;
mod sweep;
mod tenant;
mod usage;
mod visible;
mod work;

pub use alert::{Notifier, Smtp, check_backup_age, check_findings, check_size, check_wal_silence, deliver_alerts};
pub use audit::{
    CheckedTenantAudit, ContinuedExport, ExportedBatch, RetainedAudit, SealedAudit, Verification, check_tenant_audit,
    checkpoint_sink, checkpoint_sinks, continues_export, erase_from_audit, kept_checkpoints, read_checkpoints,
    retain_audit, seal_audit, verify_audit, witness_audit,
};
pub use backup::{
    Backup, BackupCheck, BackupEncryption, BackupFile, BackupFolder, CheckStatus, ClosedDatabase, CreateOptions,
    EncryptTo, Erasure, ListedBackup, Locale, Manifest, OpenBackup, PruneRule, RecoveryCertificate, RepeatedErasures,
    Replacement, Scratch, Unlock, create_backup, note_erasures, prune_backups, repeat_erasures, restore_into,
};
pub use bytes::{parse_bytes, pretty_bytes};
pub use doctor::{
    AlertTarget, BackupPoint, Change, Changes, CheckGroup, CheckResult, DoctorData, DoctorFacts, DoctorOptions,
    DoctorReport, EndedSession, Evidence, Fix, FixStep, JobPoint, Limits, Outcome, SessionEnd, SessionTarget, Severity,
    SizePoint, SlowStatement, TenantCost, TenantWork, Threshold, Verdict, WHOLE_DATABASE, WaitEdge, advice_outcome,
    alert_target_outcome, backup_outcomes, certificate_outcome, check_given, check_ids, citus_version_outcome,
    clock_outcome, diagnose, end_sessions, fix_steps, job_outcomes, loop_outcome, minor_version_outcome, pool_outcome,
    reach, replica_outcome, run_fix, sessions_to_end,
};
pub use engine::{
    Analyzed, Engine, Growth, Integrity, Reindexed, Sizes, TableSize, TenantRows, Vacuumed, analyze, check_integrity,
    foreign_code, growth, is_schema_open, keep_sizes, reindex, sizes, vacuum,
};
pub use error::{EngineFault, Error, Result};
pub use job::{Job, JobContext, Missed};
pub use jobs::LibraryJob;
pub use pitr::{
    Arrival, Base, BaseManifest, BaseOptions, ListedBase, Lsn, NotedState, PgBackRest, PgBackRestStatus, PitrFolder,
    PitrManifest, PitrStatus, PrivateServer, Pruned, Readiness, Replayed, RestoreOptions, RestoreTarget, Restored,
    WalFinding, Window, barman_version, init_pitr, make_base, note_state, pitr_ready, pitr_status, receive_wal,
    replay_pitr, restore_pitr, wait_for_wal,
};
pub use scheduler::{
    JobStatus, RunOutcome, RunReport, Schedule, ScheduleSettings, Scheduler, SchedulerOptions, Upcoming,
};
pub use secrets::{KeyReport, Reencrypted, key_report, reencrypt};
pub use seed::{Seed, SeedAgency, SeedRows, SeedUser, Seeded, seed};
pub use sweep::{PurgedDeleted, RemovedExpired, Sweep, purge_deleted, remove_expired, remove_usage_events};
pub use tenant::{
    ImportedTenant, ReplacedTenant, erase_tenant, export_tenant, import_tenant, replace_tenant, tenant_named,
};
pub use usage::{ClosedUsage, close_usage, reset_usage};
pub use visible::visible;
