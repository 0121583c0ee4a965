//! Cancelling statements and ending sessions, with guards.

use std::time::Duration;

use rylie_driver::code_of;
use serde::Serialize;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::session::placeholders::KIND;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Maximum wait for a connection and for each answer.
const WITHIN: Duration = Duration::from_secs(10);

/// The sessions to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionTarget {
    /// One process of the server.
    Process(i32),
    /// Every session of this database that works on a statement, or is idle in a transaction, for longer than this.
    OlderThan(Duration),
}

/// How a session is ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionEnd {
    /// Its statement is cancelled.
    Cancel,
    /// The session is terminated.
    Terminate,
}

/// A session, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EndedSession {
    /// Its process id on the server.
    pub pid: i32,
    /// Its login.
    pub login: String,
    /// Its application.
    pub application: String,
    /// Its state, and for how long in seconds.
    pub state: String,
    /// Seconds in that state.
    pub seconds: i64,
    /// Why it is not ended without force: autovacuum, replication, a backup, a migration or maintenance. `None` for a
    /// client's session.
    pub protected: Option<String>,
    /// Whether the server ended it; `None` before the attempt.
    pub ended: Option<bool>,
}

/// Processes of the server itself, which no statement ends.
const SERVER_PROCESSES: [&str; 10] = [
    "a server process",
    "archiver",
    "background writer",
    "checkpointer",
    "io worker",
    "logger",
    "startup",
    "walreceiver",
    "walsummarizer",
    "walwriter",
];

impl EndedSession {
    /// Returns whether it is a process that the server needs, which cannot be ended.
    #[must_use]
    pub fn is_server_process(&self) -> bool {
        self.protected.as_deref().is_some_and(|kind| SERVER_PROCESSES.contains(&kind))
    }
}

/// Returns the sessions that a target names. Reads only. Fails with [`Error::Invalid`] if there is no such process of
/// this database, and for this process's own session. It also does on SQLite.
pub async fn sessions_to_end(engine: &Engine, target: SessionTarget) -> Result<Vec<EndedSession>> {
    let mut connection = connect(engine).await?;
    let condition = match target {
        SessionTarget::Process(pid) => format!("pid = {pid}"),
        SessionTarget::OlderThan(age) => format!(
            "datname = current_database() AND pid <> pg_backend_pid() AND (state = 'active' AND query_start < clock_timestamp() - {seconds} * interval '1 second' \
             OR state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - {seconds} * interval '1 second')",
            seconds = age.as_secs()
        ),
    };
    let sql = format!(
        "SELECT pid, coalesce(usename, 'system')::text, coalesce(application_name, ''), coalesce(state, backend_type, 'state not visible'), \
         coalesce(extract(epoch FROM clock_timestamp() - CASE WHEN state = 'active' THEN query_start ELSE state_change END)::bigint, 0), CASE WHEN backend_type IS NULL AND usename IS NULL THEN 'a server process' \
         WHEN backend_type IS NULL AND pid IN (SELECT r.pid FROM pg_catalog.pg_stat_replication r) THEN 'replication' ELSE {KIND} END, \
         pid = pg_backend_pid(), coalesce(datname = current_database(), true) FROM pg_catalog.pg_stat_activity WHERE {condition} ORDER BY 5 DESC"
    );
    let failed = || Error::engine("reading the sessions");
    let rows = bounded(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection)).await.map_err(failed())?;
    let mut sessions = Vec::new();
    for row in &rows {
        let (kind, own, of_this): (String, bool, bool) =
            (row.try_get(5).map_err(failed())?, row.try_get(6).map_err(failed())?, row.try_get(7).map_err(failed())?);
        if own {
            return Err(Error::invalid("the process id", "it is that of this command's own session"));
        }
        if !of_this {
            return Err(Error::invalid("the process id", "the session belongs to another database of the server"));
        }
        sessions.push(EndedSession {
            pid: row.try_get(0).map_err(failed())?,
            login: row.try_get(1).map_err(failed())?,
            application: row.try_get(2).map_err(failed())?,
            state: row.try_get(3).map_err(failed())?,
            seconds: row.try_get(4).map_err(failed())?,
            protected: (kind != "client").then_some(kind),
            ended: None,
        });
    }
    if sessions.is_empty() && matches!(target, SessionTarget::Process(_)) {
        return Err(Error::invalid(
            "the process id",
            "the server has no such session; see `rylie doctor --only activity`",
        ));
    }
    let _ = connection.close().await;
    Ok(sessions)
}

/// Ends the sessions, and sets `ended` in each. Protected ones are left unless `force` is set; processes of the server
/// itself are always left. A session that is no
/// longer the same one (another login or application has the process id) is left.
///
/// Fails with [`Error::MayNotEnd`] if this login may end none of them. Where it may end some, `ended` of the others
/// stays empty. Fails with [`Error::Invalid`] on SQLite.
pub async fn end_sessions(engine: &Engine, sessions: &mut [EndedSession], how: SessionEnd, force: bool) -> Result<()> {
    let mut connection = connect(engine).await?;
    let function = if how == SessionEnd::Cancel { "pg_cancel_backend" } else { "pg_terminate_backend" };
    let sql = format!(
        "SELECT pg_catalog.{function}(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND coalesce(usename, 'system') = $2 AND coalesce(application_name, '') = $3"
    );
    let mut refused = false;
    let willing = |session: &&mut EndedSession| session.protected.is_none() || force && !session.is_server_process();
    for session in sessions.iter_mut().filter(willing) {
        let query = sqlx::query_scalar::<_, bool>(AssertSqlSafe(sql.clone()))
            .persistent(false)
            .bind(session.pid)
            .bind(&session.login)
            .bind(&session.application);
        let ended = match bounded(query.fetch_optional(&mut connection)).await {
            Err(error) if is_refused(&error) => {
                refused = true;
                continue;
            }
            ended => ended.map_err(Error::engine("ending a session"))?,
        };
        session.ended = Some(ended.unwrap_or(false));
    }
    if refused && sessions.iter().all(|session| session.ended.is_none()) {
        return Err(may_not_end(&mut connection).await);
    }
    let _ = connection.close().await;
    Ok(())
}

fn is_refused(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("42501")
}

/// A login may end its own sessions, those of roles whose member it is, and with the right others' except superusers'.
async fn may_not_end(connection: &mut PgConnection) -> Error {
    let sql = "SELECT format('GRANT pg_signal_backend TO %I', session_user)";
    let grant = bounded(sqlx::query_scalar(sql).persistent(false).fetch_one(connection)).await;
    let grant: String = grant.unwrap_or_else(|_| "GRANT pg_signal_backend TO this login".to_owned());
    Error::MayNotEnd { grant }
}

async fn connect(engine: &Engine) -> Result<PgConnection> {
    let reason = "SQLite has no sessions of a server; end the process that holds the file";
    let options = engine.plain_options().ok_or_else(|| Error::invalid("the database", reason))?;
    let options = options.application_name("rylie doctor").disable_statement_logging().statement_cache_capacity(0);
    bounded(options.connect()).await.map_err(Error::engine("connecting"))
}

async fn bounded<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(WITHIN, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
