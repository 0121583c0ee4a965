//! A single dedicated connection, so that settings and locks belong to a known session.

mod ask;
mod owner;

use async_trait::async_trait;
use rylie_driver::{Blocker, OnWait, Watch, create_private, postgres_address};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, Row, SqliteConnection};
use std::io;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Refusal, Result};
use crate::step::{Engine, Target};

pub(crate) use ask::parsed;
pub(crate) use owner::TAKE;

/// How often a second connection checks that the server is still working.
pub(crate) const LOOK: Duration = Duration::from_secs(10);

/// The time limit for connecting, and for queries that the server answers at once.
const CONNECT: Duration = Duration::from_secs(10);

/// The `application_name` of sessions whose URL has none.
const NAME: &str = "rylie/migrate";

/// The wait for SQLite's write lock, which another process may hold for its whole migration.
const SQLITE_BUSY: Duration = Duration::from_mins(1);

/// The session's settings, whatever the login or the database sets.
///
/// - A migration has no time limit except for locks and for pauses: a client that stops inside a transaction loses it
///   and its locks after five seconds.
/// - Notices are suppressed, and the server ends sessions of dead clients.
/// - With `row_security = off`, a statement from which a policy would hide rows fails instead of appearing to succeed.
/// - A batch waits for another writer's row and reads it again, which only `read committed` does.
/// - Definitions are compared as text, so names are quoted only where they must be.
/// - The creator of a role does not inherit it.
const SESSION: &str = "SET search_path = pg_catalog, pg_temp; SET statement_timeout = 0; \
     SET idle_in_transaction_session_timeout = '5s'; SET client_min_messages = warning; SET row_security = off; \
     SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = off; \
     SET quote_all_identifiers = off; \
     SET standard_conforming_strings = on; SET lock_timeout = '5s'; SET tcp_keepalives_idle = 60; \
     SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6; \
     SELECT set_config(name, CASE name WHEN 'createrole_self_grant' THEN '' ELSE '0' END, false) FROM pg_settings \
     WHERE name IN ('createrole_self_grant', 'transaction_timeout', 'idle_session_timeout')";

/// The session's wait for a lock, where no step sets another: reading the catalog and counting rows wait for locks too.
/// [`SESSION`] sets it.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Unqualified names resolve in `public` only, despite settings of the URL, login or database; temporary objects come
/// last.
pub(crate) const SEARCH_PATH: &str = "SET search_path = public, pg_temp";

/// The server ends a statement within a second after its client is gone. Otherwise the statement of a killed client
/// would continue and keep its locks.
const ENDS_WITH_CLIENT: &str = "SET client_connection_check_interval = '1s'";

/// A connection to either engine.
#[derive(Debug)]
pub(crate) enum Connection {
    Postgres { session: Box<PgConnection>, watch: Box<Watch>, lock_timeout: Duration },
    Sqlite(Box<SqliteConnection>),
}

impl Connection {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(Error::Connect)?;
            let options = options.busy_timeout(SQLITE_BUSY).disable_statement_logging();
            if url.contains("mode=rwc") {
                create_private(options.get_filename());
            }
            return Ok(Self::Sqlite(Box::new(options.connect().await.map_err(Error::Connect)?)));
        }
        if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            return Err(Error::UnknownScheme);
        }
        // The driver logs slow statements with their SQL, and migrations are slow by nature.
        let options = postgres_address(url, NAME)?;
        let opening = async {
            let mut session = Box::new(options.connect().await?);
            sqlx::raw_sql(SESSION).execute(session.as_mut()).await?;
            let process = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(session.as_mut()).await?.try_get(0)?;
            // Some operating systems cannot detect a lost client, and PostgreSQL refuses the setting there. A statement
            // then runs to its end.
            if let Err(error) = sqlx::raw_sql(ENDS_WITH_CLIENT).execute(session.as_mut()).await {
                tracing::debug!(%error, "a statement will outlive a killed client");
            }
            Ok((session, process))
        };
        let (session, process) = promptly(opening).await.map_err(Error::Connect)?;
        let watch = Box::new(Watch::new(options, process, LOOK));
        let mut connection = Self::Postgres { session, watch, lock_timeout: LOCK_TIMEOUT };
        // Become the owner before anything of the schema is read or called, so that other roles' objects never get a
        // superuser's rights.
        connection.become_owner().await?;
        connection.execute(SEARCH_PATH).await.map_err(Error::Connect)?;
        Ok(connection)
    }

    /// Sets the interval of the checks that the server is still working.
    pub(crate) fn looking_every(mut self, pause: Duration) -> Self {
        if let Self::Postgres { watch, .. } = &mut self {
            watch.look_every(pause);
        }
        self
    }

    /// Opens a connection for reading only. PostgreSQL refuses writes. A SQLite file that does not exist counts as an
    /// empty database and is not created.
    pub(crate) async fn open_to_read(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(Error::Connect)?;
            let in_memory = url.contains(":memory:") || url.contains("mode=memory");
            let there = in_memory || options.get_filename().exists();
            return Self::open(if there { url } else { "sqlite::memory:" }).await;
        }
        let mut connection = Self::open(url).await?;
        connection.execute("SET default_transaction_read_only = on").await.map_err(Error::Connect)?;
        Ok(connection)
    }

    /// Sends reports of long statements to this listener.
    pub(crate) fn report_waits_to(&mut self, listener: OnWait) {
        if let Self::Postgres { watch, .. } = self {
            watch.report_to(Some(listener));
        }
    }

    /// Looks for blocking sessions this soon, for statements whose own wait is short; `None` returns to the default.
    pub(crate) async fn look_for_blockers_after(&mut self, first: Option<Duration>) {
        if let Self::Postgres { watch, .. } = self {
            watch.look_after(first).await;
        }
    }

    /// Returns the sessions that were last seen to block a statement, and forgets them.
    pub(crate) fn take_blockers(&mut self) -> Vec<Blocker> {
        match self {
            Self::Postgres { watch, .. } => watch.take_blockers(),
            Self::Sqlite(_) => Vec::new(),
        }
    }

    /// Fails for SQLite.
    pub(crate) fn refuse_sqlite(&self) -> Result<()> {
        if self.engine() == Engine::Sqlite { Err(Refusal::NotPostgres.into()) } else { Ok(()) }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Postgres { .. } => Engine::Postgres,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Returns whether the server lets this login in with this password, also because it asks for none. One more
    /// connection. PostgreSQL.
    pub(crate) async fn admits(&self, login: &str, password: &str) -> bool {
        let Self::Postgres { watch, .. } = self else { return false };
        let options = watch.options().clone().username(login).password(password);
        let entering = async { options.connect().await?.close().await };
        promptly(entering).await.is_ok()
    }

    /// Sets how long the session's later statements wait for a lock. Sends nothing if it is set already. PostgreSQL.
    pub(crate) async fn set_lock_timeout(&mut self, limit: Duration) -> sqlx::Result<()> {
        if !matches!(self, Self::Postgres { lock_timeout, .. } if *lock_timeout != limit) {
            return Ok(());
        }
        self.execute(&format!("SET lock_timeout = '{}ms'", limit.as_millis())).await?;
        if let Self::Postgres { lock_timeout, .. } = self {
            *lock_timeout = limit;
        }
        Ok(())
    }

    /// Runs several statements in one message, which is one transaction. Returns the first column of the last row.
    /// The server needs nothing more from the client to end it, so a client that stops holds no lock.
    pub(crate) async fn in_one_message(&mut self, sql: String) -> sqlx::Result<Option<String>> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Postgres { session, watch, .. } => {
                let rows = watch.over(sql.fetch_all(session.as_mut())).await??;
                rows.last().map_or(Ok(None), |row| row.try_get(0))
            }
            Self::Sqlite(session) => {
                let rows = sql.fetch_all(session.as_mut()).await?;
                rows.last().map_or(Ok(None), |row| row.try_get(0))
            }
        }
    }

    /// Returns the first column of the first row of a query without parameters.
    pub(crate) async fn value(&mut self, sql: &str) -> sqlx::Result<Option<String>> {
        Ok(self.column(sql, None).await?.into_iter().next().flatten())
    }

    /// Returns the first column of every row.
    pub(crate) async fn values(&mut self, sql: &str) -> sqlx::Result<Vec<String>> {
        let null = || sqlx::Error::Decode("an unexpected null".into());
        self.column(sql, None).await?.into_iter().map(|value| value.ok_or_else(null)).collect()
    }

    /// Returns the first column of every row of a query with at most one parameter.
    async fn column(&mut self, sql: &str, bound: Option<&str>) -> sqlx::Result<Vec<Option<String>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres { session, watch, .. } => {
                let query = sqlx::query_scalar(sql).persistent(false);
                let query = if let Some(value) = bound { query.bind(value) } else { query };
                watch.over(query.fetch_all(session.as_mut())).await?
            }
            Self::Sqlite(session) => {
                let query = sqlx::query_scalar(sql).persistent(false);
                let query = if let Some(value) = bound { query.bind(value) } else { query };
                query.fetch_all(session.as_mut()).await
            }
        }
    }

    /// Returns whether the database has this table.
    pub(crate) async fn has_table(&mut self, table: &str) -> sqlx::Result<bool> {
        let sql = match self.engine() {
            Engine::Postgres => {
                "SELECT relname::text FROM pg_catalog.pg_class WHERE relname = $1 \
                 AND relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public') AND relkind IN ('r', 'p')"
            }
            Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = $1",
        };
        Ok(self.text(sql, table).await?.is_some())
    }
}

/// Applies the time limit for queries that the server answers at once.
async fn promptly<T>(asking: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let answered = tokio::time::timeout(CONNECT, asking).await;
    answered.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer").into()))
}

#[async_trait]
impl Target for Connection {
    type Error = sqlx::Error;

    async fn execute(&mut self, sql: &str) -> sqlx::Result<()> {
        // The simple protocol sends one message, without an implicit transaction around a single statement.
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres { session, watch, .. } => watch.over(sql.execute(session.as_mut())).await?.map(drop),
            Self::Sqlite(session) => sql.execute(session.as_mut()).await.map(drop),
        }
    }

    async fn text(&mut self, sql: &str, value: &str) -> sqlx::Result<Option<String>> {
        Ok(self.column(sql, Some(value)).await?.into_iter().next().flatten())
    }
}
