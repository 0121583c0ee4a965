//! The measurements of a run.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Sizes over time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SizePoint {
    /// When.
    pub at: DateTime<Utc>,
    /// Bytes of the database.
    pub bytes: i64,
}

/// A session that waits for another one's lock.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WaitEdge {
    /// The process that waits.
    pub waiter: i64,
    /// The process that holds the lock; 0 for a prepared transaction.
    pub blocker: i64,
    /// For how long, in seconds.
    pub seconds: i64,
    /// State and statement of the blocker, without values.
    pub blocker_does: String,
}

/// A statement from `pg_stat_statements`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SlowStatement {
    /// The server's id of the statement.
    pub id: String,
    /// Its text; the server has replaced values by `$n`.
    pub text: String,
    /// Number of calls.
    pub calls: i64,
    /// Mean time in milliseconds.
    pub mean_ms: f64,
    /// Total time in milliseconds.
    pub total_ms: f64,
}

/// The cost of a tenant: its share in the database, estimated from statistics or a sample, and its units.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct TenantCost {
    /// The tenant key.
    pub tenant: String,
    /// Estimated rows.
    pub rows: i64,
    /// Estimated bytes, in proportion to the rows.
    pub bytes: i64,
    /// The work of its units. `None` in a run of the command: the server's statistics do not tell tenants apart, and
    /// only the service's process counts its units.
    #[serde(default)]
    pub work: Option<TenantWork>,
}

/// The work of a tenant's units in the calling process, since it opened its pool.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct TenantWork {
    /// Units that sent a statement.
    pub units: u64,
    /// Statements.
    pub statements: u64,
    /// Rows that statements returned or changed.
    pub rows: u64,
    /// Time that callers waited for statements, in milliseconds.
    pub ms: u64,
}

/// The last run of a job.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JobPoint {
    /// The job.
    pub job: String,
    /// When its last run began.
    pub last_run: Option<DateTime<Utc>>,
    /// Its status.
    pub status: String,
    /// When it is due next.
    pub next_run: Option<DateTime<Utc>>,
}

/// A backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BackupPoint {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub made_at: Option<DateTime<Utc>>,
    /// When a drill restored it.
    pub verified_at: Option<DateTime<Utc>>,
    /// Its size.
    pub bytes: u64,
}

/// The measurements of a run. The HTML page shows them, and a later run compares with them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct DoctorData {
    /// Bytes of the database.
    pub database_bytes: Option<i64>,
    /// Bytes by table, indexes included; the forty largest.
    pub table_bytes: BTreeMap<String, i64>,
    /// Stored sizes of the last 30 days, oldest first; empty without `rylie size --keep` or the job `size`.
    pub growth: Vec<SizePoint>,
    /// Days until the disk is full at the present growth; `None` without history or `--disk-capacity`.
    pub days_until_full: Option<i64>,
    /// Connections by login, application and state.
    pub connections: BTreeMap<String, i64>,
    /// The blocking tree.
    pub waits: Vec<WaitEdge>,
    /// The statements with the most total time; empty without `pg_stat_statements`.
    pub statements: Vec<SlowStatement>,
    /// The plan shapes of the library's statements.
    pub plans: BTreeMap<String, String>,
    /// Settings of the server that differ from the built-in defaults.
    pub settings: BTreeMap<String, String>,
    /// The most expensive tenants.
    pub tenants: Vec<TenantCost>,
    /// The jobs.
    pub jobs: Vec<JobPoint>,
    /// The backups, newest first; at most fifty.
    pub backups: Vec<BackupPoint>,
    /// The fingerprint of the database.
    pub fingerprint: Option<String>,
}
