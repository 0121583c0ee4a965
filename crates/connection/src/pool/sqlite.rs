//! SQLite: connecting, and the statement that begins a unit.

use std::str::FromStr;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions, Row, SqliteConnection, SqlitePool};

use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::pool_options::PoolOptions;
use crate::unit_options::Access;

pub(super) async fn connect(url: &str, options: &PoolOptions) -> Result<SqlitePool> {
    Pool::refuse_foreign_file(url).await?;
    let in_memory = is_in_memory(url);
    let options_of_url = self::options(url)?;
    if !in_memory && url.contains("mode=rwc") {
        rylie_driver::create_private(options_of_url.get_filename());
    }
    let connect = options_of_url
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(options.lock_timeout)
        .disable_statement_logging();
    // Each connection to an in-memory database has its own database.
    let pool = SqlitePoolOptions::new()
        .max_connections(if in_memory { 1 } else { options.max_connections })
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false);
    let pool = if in_memory { pool.idle_timeout(None).max_lifetime(None) } else { pool };
    Ok(pool.connect_with(connect).await?)
}

pub(super) fn options(url: &str) -> Result<SqliteConnectOptions> {
    let reason = "it must have the form sqlite://file.db?mode=rwc";
    SqliteConnectOptions::from_str(url).map_err(|_| Error::Invalid { what: "the database URL", reason })
}

pub(super) fn is_in_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

/// Returns the `BEGIN`. A unit that may write takes the write lock at once: after a read it could fail to get it.
pub(super) fn begin(access: Access) -> String {
    match access {
        Access::ReadWrite => "BEGIN IMMEDIATE".to_owned(),
        Access::ReadOnly => "BEGIN DEFERRED".to_owned(),
    }
}

/// Returns whether the database keeps the numbers of requests.
pub(super) async fn keeps_request_counts(conn: &mut SqliteConnection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'Request_count_delete')";
    Ok(sqlx::raw_sql(sql).fetch_one(conn).await?.try_get(0)?)
}

pub(super) async fn applied_migrations(conn: &mut SqliteConnection) -> Result<Vec<String>> {
    let there =
        sqlx::raw_sql("SELECT 1 FROM sqlite_schema WHERE name = 'seaql_migrations'").fetch_optional(&mut *conn).await?;
    if there.is_none() {
        return Ok(Vec::new());
    }
    let names = sqlx::raw_sql("SELECT version FROM seaql_migrations").fetch_all(&mut *conn).await?;
    names.iter().map(|name| Ok(name.try_get(0)?)).collect()
}
