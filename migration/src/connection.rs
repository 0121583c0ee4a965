//! One connection of our own, so that session settings and locks are where we think they are.

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, SqliteConnection};
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::step::{Engine, Target};

/// Another process may hold SQLite's write lock for as long as its migration takes.
const SQLITE_BUSY: Duration = Duration::from_mins(1);

/// The URL is asked for the schema `public` alone; a migration takes as long as it takes; notices are noise. Without
/// `row_security` a statement from which a policy would hide rows fails, where it would pass for done.
const SESSION: &str = "SET search_path = public; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
     SET client_min_messages = warning; SET application_name = 'rylie migrate'; SET row_security = off; \
     SET standard_conforming_strings = on";

/// The server ends a statement within a second once its client is gone; else a killed client's statement would run on, and keep
/// its locks.
const ENDS_WITH_CLIENT: &str = "SET client_connection_check_interval = '1s'";

/// A connection to either engine.
#[derive(Debug)]
pub(crate) enum Connection {
    Postgres { session: Box<PgConnection>, options: Box<PgConnectOptions> },
    Sqlite(Box<SqliteConnection>),
}

impl Connection {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(Error::Connect)?.busy_timeout(SQLITE_BUSY);
            return Ok(Self::Sqlite(Box::new(options.connect().await.map_err(Error::Connect)?)));
        }
        if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            return Err(Error::UnknownScheme);
        }
        let options = Box::new(PgConnectOptions::from_str(url).map_err(Error::Connect)?);
        let session = Box::new(options.connect().await.map_err(Error::Connect)?);
        let mut connection = Self::Postgres { session, options };
        connection.execute(SESSION).await.map_err(Error::Connect)?;
        // Refused on a server whose system cannot tell that a client is gone: there a statement ends by itself.
        if let Err(error) = connection.execute(ENDS_WITH_CLIENT).await {
            tracing::debug!(%error, "a statement will outlive a killed client");
        }
        Ok(connection)
    }

    /// To look only: what is written is refused by PostgreSQL, and a SQLite file that is not there is not made but
    /// taken for an empty database.
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

    /// A second connection to the same server, to look at the first; `None` where there is none to be had.
    pub(crate) async fn observer(&self) -> Option<PgConnection> {
        match self {
            Self::Postgres { options, .. } => options.connect().await.ok(),
            Self::Sqlite(_) => None,
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Postgres { .. } => Engine::Postgres,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// The first column of the first row of a query without parameters.
    pub(crate) async fn value(&mut self, sql: &str) -> sqlx::Result<Option<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        let row: Option<Option<String>> = match self {
            Self::Postgres { session, .. } => {
                sqlx::query_scalar(sql).persistent(false).fetch_optional(session.as_mut()).await?
            }
            Self::Sqlite(session) => sqlx::query_scalar(sql).persistent(false).fetch_optional(session.as_mut()).await?,
        };
        Ok(row.flatten())
    }

    /// The first column of every row.
    pub(crate) async fn values(&mut self, sql: &str) -> sqlx::Result<Vec<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres { session, .. } => {
                sqlx::query_scalar(sql).persistent(false).fetch_all(session.as_mut()).await
            }
            Self::Sqlite(session) => sqlx::query_scalar(sql).persistent(false).fetch_all(session.as_mut()).await,
        }
    }

    /// Whether the database has this table.
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

#[async_trait]
impl Target for Connection {
    type Error = sqlx::Error;

    async fn execute(&mut self, sql: &str) -> sqlx::Result<()> {
        // The simple protocol: one message, no implicit transaction around a single statement.
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres { session, .. } => sql.execute(session.as_mut()).await.map(drop),
            Self::Sqlite(session) => sql.execute(session.as_mut()).await.map(drop),
        }
    }

    async fn text(&mut self, sql: &str, value: &str) -> sqlx::Result<Option<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        let row: Option<Option<String>> = match self {
            Self::Postgres { session, .. } => {
                sqlx::query_scalar(sql).bind(value).persistent(false).fetch_optional(session.as_mut()).await?
            }
            Self::Sqlite(session) => {
                sqlx::query_scalar(sql).bind(value).persistent(false).fetch_optional(session.as_mut()).await?
            }
        };
        Ok(row.flatten())
    }
}
