//! A session that holds a lock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A session that holds a lock. A login without `pg_read_all_stats` sees neither state nor age of other logins'
/// sessions.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Blocker {
    /// Its process id on the server, for `pg_cancel_backend` and `pg_terminate_backend`. Zero for a prepared transaction.
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

impl Blocker {
    /// The JSON object of one row of `pg_stat_activity`, named `a`, for the process `p.pid`. Omits the query text, which may
    /// contain values.
    pub const COLUMNS: &'static str = "pg_catalog.json_build_object('pid', p.pid, 'login', a.usename, 'application', a.application_name, \
         'state', a.state, 'since_seconds', CASE WHEN coalesce(a.xact_start, a.query_start, a.backend_start) IS NOT NULL \
         THEN greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.query_start, a.backend_start))::bigint) END)";
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (the view pg_prepared_xacts lists it)");
        }
        write!(f, "process {}", self.pid)?;
        let mut known: Vec<String> = Vec::new();
        known.extend(self.application.iter().filter(|name| !name.is_empty()).cloned());
        known.extend(self.login.iter().map(|login| format!("login {login}")));
        known.extend(self.state.clone());
        known.extend(self.since_seconds.map(|seconds| format!("for {seconds} s")));
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}
