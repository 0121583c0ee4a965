//! Reads the database's environment marker without session state, so that it works behind a pooler.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use super::sqlite_file::look;
use super::{Inner, Pool, asked, postgres, sqlite};
use crate::bounds::{Bounds, answered};
use crate::error::{Error, Result};
use crate::pool_options::PoolOptions;

/// The identity and the environment of a database. Callers decide what follows from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredMarker {
    /// Two databases with the same fingerprint are copies.
    pub fingerprint: String,
    /// `production`, `staging` or `development`.
    pub environment: String,
}

impl Pool {
    /// Returns the current environment marker, or `None` if the database has none. Takes two round trips and leaves no
    /// setting behind, so it works behind a pooler.
    pub async fn mark(&self) -> Result<Option<StoredMarker>> {
        match &self.inner {
            Inner::Postgres(cache) => asked!(self, cache, |conn| on_postgres(conn)),
            Inner::Sqlite(cache) => asked!(self, cache, |conn| on_sqlite(conn)),
        }
    }

    /// Returns the environment marker before anything else is done to the database, over a connection that is then
    /// closed. Neither creates nor changes a SQLite file. Fails as [`Pool::connect`] does, except with
    /// [`Error::ForeignFile`].
    pub async fn mark_at(url: &str, options: &PoolOptions) -> Result<Option<StoredMarker>> {
        if !url.starts_with("sqlite:") {
            let mut connection = postgres::connect_in_time(url, options).await?;
            let within = Bounds::postgres(options).statement(None);
            let mark = answered(within, on_postgres(&mut connection)).await.map_err(Error::unreachable)?;
            postgres::goodbye(connection).await;
            return mark;
        }
        let Some(mut connection) = look(&sqlite::options(url)?).await? else {
            return Ok(None);
        };
        let mark = on_sqlite(&mut connection).await;
        connection.close().await?;
        mark
    }
}

/// A login of the service that may not read the marker itself reads it under the platform role. One text is one
/// transaction, so the role ends with it, even on an error.
async fn on_postgres(conn: &mut PgConnection) -> Result<Option<StoredMarker>> {
    let readable = "SELECT has_table_privilege(to_regclass('public.rylie_database'), 'SELECT')";
    let readable: Option<bool> = sqlx::raw_sql(readable).fetch_one(&mut *conn).await?.try_get(0)?;
    let role = match readable {
        None => return Ok(None),
        Some(true) => "",
        Some(false) => "SET LOCAL ROLE rylie_platform; ",
    };
    let sql = format!("{role}SELECT fingerprint, environment FROM public.rylie_database");
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *conn).await?;
    rows.first().map(|row| Ok(StoredMarker { fingerprint: row.try_get(0)?, environment: row.try_get(1)? })).transpose()
}

async fn on_sqlite(connection: &mut SqliteConnection) -> Result<Option<StoredMarker>> {
    let there = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'rylie_database'";
    if sqlx::raw_sql(there).fetch_optional(&mut *connection).await?.is_none() {
        return Ok(None);
    }
    let sql = "SELECT fingerprint, environment FROM main.rylie_database";
    let row = sqlx::raw_sql(sql).fetch_optional(&mut *connection).await?;
    row.map(|row| Ok(StoredMarker { fingerprint: row.try_get(0)?, environment: row.try_get(1)? })).transpose()
}
