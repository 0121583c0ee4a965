//! Which migrations are applied: SeaORM's table `seaql_migrations`.

use serde::Serialize;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::migrations::{MIGRATIONS, Migration};
use crate::step::{Engine, Target};

const TABLE: &str = "seaql_migrations";

/// How a migration stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MigrationState {
    /// It is applied.
    Applied,
    /// It is not applied yet.
    Pending,
    /// It is applied, but not one of ours: a later version was here.
    Unknown,
}

/// A migration and how it stands.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MigrationStatus {
    /// Its name.
    pub name: String,
    /// Whether it is applied.
    pub state: MigrationState,
}

/// The names of the applied ones, oldest first. Reads only: without the table, none are.
pub(crate) async fn applied(connection: &mut Connection) -> Result<Vec<String>> {
    let failed = Error::doing("reading which migrations are applied");
    if !connection.has_table(TABLE).await.map_err(&failed)? {
        return Ok(Vec::new());
    }
    connection.values("SELECT version FROM seaql_migrations ORDER BY version").await.map_err(&failed)
}

/// Ours in their order, then those we do not know.
pub(crate) async fn status(connection: &mut Connection) -> Result<Vec<MigrationStatus>> {
    let applied = applied(connection).await?;
    let known = MIGRATIONS.iter().map(|migration| MigrationStatus {
        name: migration.name().to_owned(),
        state: if applied.iter().any(|name| name == migration.name()) {
            MigrationState::Applied
        } else {
            MigrationState::Pending
        },
    });
    let unknown = applied
        .iter()
        .filter(|name| MIGRATIONS.iter().all(|migration| migration.name() != *name))
        .map(|name| MigrationStatus { name: name.clone(), state: MigrationState::Unknown });
    Ok(known.chain(unknown).collect())
}

pub(crate) async fn pending(connection: &mut Connection) -> Result<Vec<&'static dyn Migration>> {
    let applied = applied(connection).await?;
    Ok(MIGRATIONS.iter().copied().filter(|migration| applied.iter().all(|name| name != migration.name())).collect())
}

/// Makes the table as SeaORM does.
pub(crate) async fn install(connection: &mut Connection) -> Result<()> {
    connection
        .execute("CREATE TABLE IF NOT EXISTS \"seaql_migrations\" (\"version\" varchar NOT NULL PRIMARY KEY, \"applied_at\" bigint NOT NULL)")
        .await
        .map_err(Error::doing("making the table of applied migrations; this takes the right to create in schema public"))
}

/// Drops the table.
pub(crate) async fn uninstall(connection: &mut Connection) -> Result<()> {
    let sql = "DROP TABLE IF EXISTS \"seaql_migrations\"";
    connection.execute(sql).await.map_err(Error::doing("dropping the table of applied migrations"))
}

/// The statement that records a migration as applied.
pub(crate) fn insert(engine: Engine, name: &str) -> String {
    let now = match engine {
        Engine::Postgres => "extract(epoch FROM now())::bigint",
        Engine::Sqlite => "unixepoch()",
    };
    format!("INSERT INTO \"seaql_migrations\" (version, applied_at) VALUES ('{name}', {now})")
}

/// The statement that removes the record.
pub(crate) fn delete(name: &str) -> String {
    format!("DELETE FROM \"seaql_migrations\" WHERE version = '{name}'")
}
