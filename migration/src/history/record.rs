//! SeaORM's record of the applied migrations: the table `seaql_migrations`.

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::step::{Engine, Target};

pub(crate) const TABLE: &str = "seaql_migrations";

/// The table as SeaORM creates it.
pub(crate) const CREATE: &str = "CREATE TABLE IF NOT EXISTS \"seaql_migrations\" (\"version\" varchar NOT NULL PRIMARY KEY, \"applied_at\" bigint NOT NULL)";

/// Returns the names of the applied migrations, oldest first; none without the table. Reads only.
pub(crate) async fn applied(connection: &mut Connection) -> Result<Vec<String>> {
    let failed = Error::doing("reading which migrations are applied");
    if !connection.has_table(TABLE).await.map_err(&failed)? {
        return Ok(Vec::new());
    }
    connection.values("SELECT version FROM seaql_migrations ORDER BY version").await.map_err(&failed)
}

/// Creates the table as SeaORM does.
pub(crate) async fn install(connection: &mut Connection) -> Result<()> {
    let failed = Error::doing("creating the table of applied migrations");
    connection.execute(CREATE).await.map_err(failed)
}

/// Drops the table.
pub(crate) async fn uninstall(connection: &mut Connection) -> Result<()> {
    let sql = "DROP TABLE IF EXISTS \"seaql_migrations\"";
    connection.execute(sql).await.map_err(Error::doing("dropping the table of applied migrations"))
}

/// Returns the statement that records a migration as applied.
pub(crate) fn insert(engine: Engine, name: &str) -> String {
    let now = match engine {
        Engine::Postgres => "extract(epoch FROM now())::bigint",
        Engine::Sqlite => "unixepoch()",
    };
    format!(
        "INSERT INTO \"seaql_migrations\" (version, applied_at) VALUES ('{name}', {now}) ON CONFLICT (version) DO NOTHING"
    )
}

/// Returns the statement that removes the record.
pub(crate) fn delete(name: &str) -> String {
    format!("DELETE FROM \"seaql_migrations\" WHERE version = {}", rylie_driver::literal(name))
}
