//! Maintenance of the database engine, outside of units and tenants.

mod analyze;
mod check_integrity;
mod foreign_code;
mod reindex;
mod sizes;
mod vacuum;
mod watch;

use std::str::FromStr;
use std::time::Duration;

use rylie_driver::{InvalidAddress, OnWait, postgres_address};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row, SqliteConnection};

use crate::error::{Error, Result};

pub use analyze::{Analyzed, analyze};
pub use check_integrity::{Integrity, check_integrity};
pub use foreign_code::{foreign_code, is_schema_open};
pub use reindex::{Reindexed, reindex};
pub use sizes::{Growth, Sizes, TableSize, TenantRows, growth, keep_sizes, sizes};
pub use vacuum::{Vacuumed, vacuum};
use watch::Watch;

/// Maximum wait for a connection, and for statements that the server answers at once.
const CONNECT: Duration = Duration::from_secs(10);

/// The `application_name` of sessions whose URL has none.
const NAME: &str = "rylie/maintenance";

/// How often a second connection checks that the server still works on the statement.
const LOOK: Duration = Duration::from_secs(10);

/// Maximum wait for a lock. After it the lock's holder continues, and the next run tries again.
const LOCK: Duration = Duration::from_secs(5);

/// A setting that identifies a direct session. A pooler's session has the server's default, which is none.
const CHECK: &str = "client_connection_check_interval";

/// A database, for maintenance of its engine. Each job opens a separate session, because its statements run long and
/// some of them run outside of a transaction.
#[derive(Clone)]
pub struct Engine {
    at: At,
    url: String,
    look: Duration,
    on_wait: Option<OnWait>,
}

#[derive(Clone)]
enum At {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

/// A session with the engine.
pub(crate) enum Session {
    Postgres(PgConnection, Box<Watch>),
    Sqlite(SqliteConnection),
}

impl Engine {
    /// Creates an engine for the database at `url` without connecting. Fails with [`Error::Invalid`] if it is not the
    /// URL of a database.
    pub fn new(url: &str) -> Result<Self> {
        let reason = "it must be postgres://user@host/database or sqlite://file.db";
        let wrong = |_| Error::invalid("the database URL", reason);
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
            let options = options.create_if_missing(false).busy_timeout(LOCK).disable_statement_logging();
            return Ok(Self { at: At::Sqlite(Box::new(options)), url: url.to_owned(), look: LOOK, on_wait: None });
        }
        let options =
            postgres_address(url, NAME).map_err(|InvalidAddress { what, reason }| Error::invalid(what, reason))?;
        let options = options.options([
            ("statement_timeout", "0".to_owned()),
            ("lock_timeout", LOCK.as_millis().to_string()),
            // An interrupted run drops its session; the server then stops its statement soon.
            (CHECK, "5000".to_owned()),
            ("tcp_keepalives_idle", "60".to_owned()),
            ("tcp_keepalives_interval", "10".to_owned()),
            ("tcp_keepalives_count", "6".to_owned()),
            // Unqualified names resolve to our schema, independent of the login's search path.
            ("search_path", "pg_catalog,public,pg_temp".to_owned()),
        ]);
        Ok(Self { at: At::Postgres(Box::new(options)), url: url.to_owned(), look: LOOK, on_wait: None })
    }

    /// Sets the pause between two checks that the server still works; ten seconds by default. Three failed checks end
    /// the job.
    #[must_use]
    pub fn looking_every(self, pause: Duration) -> Self {
        Self { look: pause, ..self }
    }

    /// Sends reports of long statements to this listener: which sessions block them, or how far they are. Without it they
    /// go to the log.
    #[must_use]
    pub fn reporting_waits_to(self, listener: OnWait) -> Self {
        Self { on_wait: Some(listener), ..self }
    }

    /// Returns whether it is SQLite.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(self.at, At::Sqlite(_))
    }

    /// Its URL, password included: for a program that connects by itself.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The options of a PostgreSQL URL without settings of ours, which would hide those of the server.
    pub(crate) fn plain_options(&self) -> Option<PgConnectOptions> {
        let At::Postgres(with_settings) = &self.at else { return None };
        // The URL was parsed before.
        Some(PgConnectOptions::from_str(&self.url).ok()?.host(with_settings.get_host()))
    }

    /// The options of a SQLite file.
    pub(crate) fn sqlite_options(&self) -> Option<SqliteConnectOptions> {
        if let At::Sqlite(options) = &self.at { Some(options.as_ref().clone()) } else { None }
    }

    /// Returns the path of a SQLite file; `None` for a database in memory and for PostgreSQL.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<std::path::PathBuf> {
        let in_memory = self.url.contains(":memory:") || self.url.contains("mode=memory");
        self.sqlite_options().filter(|_| !in_memory).map(|options| options.get_filename().to_owned())
    }

    /// Connects to PostgreSQL. Fails with [`Error::Invalid`] for SQLite; `what` is the wrong URL.
    pub(crate) async fn connect_postgres(&self, what: &str) -> Result<(PgConnection, Box<Watch>)> {
        match self.connect().await? {
            Session::Postgres(connection, watch) => Ok((connection, watch)),
            Session::Sqlite(_) => Err(Error::invalid(what, "it must be postgres://user@host/database")),
        }
    }

    pub(crate) async fn connect(&self) -> Result<Session> {
        let failed = Error::engine("connecting for engine maintenance");
        match &self.at {
            At::Postgres(options) => {
                let opening = async {
                    match options.connect().await {
                        Ok(mut connection) => {
                            let process = refuse_pooler(&mut connection).await?;
                            let (options, on_wait) = (options.as_ref().clone(), self.on_wait.clone());
                            let watch = Watch { options, process, every: self.look, on_wait };
                            Ok(Session::Postgres(connection, Box::new(watch)))
                        }
                        Err(error) if is_settings_refused(&error) => Err(Error::Pooled),
                        Err(error) => Err(Error::engine("connecting for engine maintenance")(error)),
                    }
                };
                let opened = tokio::time::timeout(CONNECT, opening).await;
                opened.unwrap_or_else(|_| Err(failed(sqlx::Error::PoolTimedOut)))
            }
            At::Sqlite(options) => options.connect().await.map(Session::Sqlite).map_err(failed),
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_sqlite() { "Engine(sqlite)" } else { "Engine(postgres)" })
    }
}

/// Returns the process id of the session. Fails behind a pooler that ignores our settings: without them, locks would be
/// waited for without limit.
async fn refuse_pooler(connection: &mut PgConnection) -> Result<i32> {
    let sql = AssertSqlSafe(format!("SELECT current_setting('{CHECK}') = '5s', pg_backend_pid()"));
    let row = sqlx::raw_sql(sql).fetch_one(connection).await;
    let found = row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let (ours, process) = found.map_err(Error::engine("checking for a pooler"))?;
    if ours { Ok(process) } else { Err(Error::Pooled) }
}

/// Returns whether a pooler refused the settings at the start of a session. The server would accept them.
fn is_settings_refused(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    error.code().as_deref() == Some("08P01") && error.message().contains("startup parameter")
}

/// Runs one statement outside of any transaction.
pub(crate) async fn run_postgres(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

/// Runs one statement outside of any transaction.
pub(crate) async fn run_sqlite(connection: &mut SqliteConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

/// Returns the number that SQLite reports for a pragma.
pub(crate) async fn pragma(connection: &mut SqliteConnection, name: &'static str) -> sqlx::Result<i64> {
    sqlx::query_scalar(AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_schema_is_refused_as_by_every_other_connection() {
        for url in ["postgres://a@host/db?schema=other", "postgres://a@host/db?sslmode=disable&schema=other#x"] {
            let refused = Engine::new(url).unwrap_err().to_string();
            assert!(refused.contains("`schema`") && refused.contains("`public`"), "{refused}");
        }
        assert!(Engine::new("postgres://a@host/db?schema=public").is_ok());
        assert!(Engine::new("postgres://a@host/db").is_ok());
    }
}
