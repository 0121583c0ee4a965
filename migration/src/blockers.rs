//! Finds the sessions that block a statement.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// Omits the query text, which may contain values. A login without rights does not see other logins' activity.
const COLUMNS: &str = "json_build_object('pid', pid, 'login', usename, 'application', application_name, 'state', state, \
     'since_seconds', greatest(0, extract(epoch FROM clock_timestamp() - coalesce(xact_start, query_start, backend_start))::bigint))";

/// A session that holds a lock.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Blocker {
    /// Its process id on the server, for `pg_cancel_backend` and `pg_terminate_backend`.
    pub pid: i32,
    /// Its login; `None` for the server's own processes.
    pub login: Option<String>,
    /// Its `application_name`.
    pub application: Option<String>,
    /// As in `pg_stat_activity`: `active`, `idle in transaction`.
    pub state: Option<String>,
    /// The age of its transaction, else of its statement or connection.
    pub since_seconds: Option<i64>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        let mut known: Vec<String> = Vec::new();
        known.extend(self.application.iter().filter(|name| !name.is_empty()).cloned());
        known.extend(self.login.iter().map(|login| format!("login {login}")));
        known.extend(self.state.clone());
        known.extend(self.since_seconds.map(|seconds| format!("for {seconds} s")));
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}

/// Returns the sessions that block this process, over a connection of its own. Empty if the query fails.
pub(crate) async fn of(options: &PgConnectOptions, pid: i32) -> Vec<Blocker> {
    let sql = format!(
        "SELECT {COLUMNS}::text FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids({pid})) ORDER BY xact_start"
    );
    let looking = async {
        let mut observer = options.connect().await?;
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut observer).await?;
        // It answered, so a failure to close does not matter.
        let _ = observer.close().await;
        Ok::<_, sqlx::Error>(rows)
    };
    let rows: Vec<String> = looking.await.unwrap_or_default();
    rows.iter().filter_map(|row| serde_json::from_str(row).ok()).collect()
}

/// Returns the statement that describes one process.
pub(crate) fn describe(pid: &str) -> String {
    format!("SELECT {COLUMNS}::text FROM pg_stat_activity WHERE pid = {pid}")
}
