//! The application's data and operation.

mod alerts;
mod audit;
mod backups;
mod jobs;
mod orphans;
mod platform;
mod request_counts;
mod secrets;
mod sessions;
mod usage;
mod users;

use super::check::{CheckSpec, Look, by_code};

pub use alerts::{AlertTarget, alert_target_outcome, reach};
pub use backups::backup_outcomes;
pub use jobs::job_outcomes;
pub(super) use orphans::orphans;

pub(super) static CHECKS: [CheckSpec; 39] = [
    by_code("application.migrations", "Migrations are pending, were changed, or stopped half-way.", Look::Code)
        .fix("rylie migrate deploy", "as `rylie migrate plan` shows"),
    by_code("application.drift", "The live schema differs from the one that the migrations create.", Look::Code)
        .fix("rylie drift, and its statements", "as `rylie drift` notes"),
    by_code(
        "application.marker",
        "The environment marker is missing or has another fingerprint, so this may be another database.",
        Look::Code,
    )
    .fix("check database_url; `rylie environment show`", "none"),
    platform::COEXISTENCE,
    platform::SETTINGS,
    platform::MAINTENANCE_MODE,
    platform::AUDIT_LOGGING,
    platform::THRESHOLDS,
    audit::BACKLOG,
    by_code("application.audit-log", "The audit log was changed after it was sealed.", Look::Code)
        .fix("rylie audit verify --checkpoint FILE; keep a copy of the database as evidence", "none"),
    by_code(
        "application.audit-key",
        "The signing key cannot be read, so the audit log is not sealed and no backup is certified.",
        Look::Code,
    )
    .fix("restore the file of the setting audit_key; `chmod 600` it", "none"),
    by_code(
        "application.audit-checkpoint",
        "The newest checkpoint outside the database is old or missing, so a rebuilt log would not be noticed.",
        Look::Code,
    )
    .limits(2.0, 14.0, "days")
    .fix("rylie audit seal, with audit_checkpoints at a place that database operators cannot change", "none"),
    by_code("application.keyring", "The keyring cannot be used, so no secret can be opened.", Look::Code)
        .fix("restore the keyring's file; `chmod 600` it; `rylie keys list`", "none"),
    secrets::FORMS,
    secrets::KEYS,
    by_code("application.secrets-open", "A sealed value does not open with its key.", Look::Code)
        .fix("rylie keys report; restore the value from a backup, or let the user connect again", "none"),
    by_code("application.backup-age", "The newest verified backup is old, or there is none.", Look::Code)
        .limits(2.0, 8.0, "days")
        .fix("rylie backup create --verify", "ACCESS SHARE; readers and writers continue"),
    by_code("application.backup-damage", "A backup cannot be read, or lacks a file in its size.", Look::Code)
        .fix("rylie backup create --verify", "ACCESS SHARE; readers and writers continue"),
    by_code(
        "application.wal-arriving",
        "The write-ahead log does not arrive at its folder, so restores cannot go to a recent minute.",
        Look::PostgresCode,
    )
    .fix("rylie pitr status; start `rylie pitr receive` under a supervisor", "none"),
    by_code("application.jobs-late", "A job is overdue, so no scheduler may be running.", Look::Code)
        .fix("start `rylie maintain run` under a supervisor", "none"),
    jobs::FAILING,
    jobs::STUCK,
    alerts::UNDELIVERED,
    by_code(
        "application.alert-targets",
        "The target of an alert cannot be reached, so problems are not reported.",
        Look::Code,
    )
    .fix("correct size_notify or smtp_url; `rylie size --alert-above 1kB --notify TARGET` sends a test", "none"),
    sessions::EXPIRED,
    sessions::EXPIRED_TOKENS,
    sessions::INACTIVE_USERS,
    sessions::LONG_SESSIONS,
    users::WITHOUT_AGENCY,
    users::SUPER_ADMINS,
    users::TENANT_KEY,
    users::API_KEYS,
    by_code("application.orphans", "A row refers to a row that does not exist.", Look::PostgresCode).fix(
        "restore the parent from a backup, or remove the row; then VALIDATE CONSTRAINT",
        "ROW EXCLUSIVE on the table",
    ),
    usage::QUOTAS,
    usage::COUNTERS,
    usage::ARCHIVE,
    usage::OPEN_PERIODS,
    usage::PURGE,
    request_counts::REQUEST_COUNTS,
];
