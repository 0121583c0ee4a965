//! Our own record in addition to `seaql_migrations`: applied migrations, the progress of an unfinished one, and a
//! statement in doubt.

use std::collections::BTreeMap;

use rylie_driver::literal;
use serde::Deserialize;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::history::checksum;
use crate::history::record;
use crate::migrations::Migration;
use crate::own::{is_own, same_line};
use crate::step::{Direction, Engine, Target};

pub(crate) const TABLE: &str = "rylie_migrations";

const READ: &str = "SELECT $json_object('name', name, 'checksum', checksum, 'chain', chain, 'direction', direction, 'step', step, \
     'in_doubt', in_doubt, 'error', error, 'adopted', adopted = $true, 'finished', finished_at IS NOT NULL)$text FROM rylie_migrations ORDER BY name";

/// A row of the record.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) checksum: String,
    pub(crate) chain: Option<String>,
    pub(crate) direction: String,
    /// The step begun last, from one; 0 before the first.
    pub(crate) step: usize,
    /// A statement that was begun, must not run twice, and may have run.
    pub(crate) in_doubt: Option<String>,
    pub(crate) error: Option<String>,
    /// Whether it was found in a database that Prisma created instead of being applied by us.
    #[serde(deserialize_with = "truth")]
    pub(crate) adopted: bool,
    #[serde(deserialize_with = "truth")]
    finished: bool,
}

/// Reads a Boolean, which SQLite returns as a number.
fn truth<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value == serde_json::Value::Bool(true) || value == serde_json::json!(1))
}

impl Entry {
    /// Creates an entry that is applied and not linked yet.
    pub(crate) fn applied(name: &str, checksum: String, adopted: bool) -> Self {
        let (name, direction) = (name.to_owned(), "up".to_owned());
        Self { name, checksum, chain: None, direction, step: 0, in_doubt: None, error: None, adopted, finished: true }
    }

    /// Returns whether the migration is applied. It stays applied while it is being reverted.
    pub(crate) fn is_applied(&self) -> bool {
        self.finished
    }

    /// Returns whether the migration's reversal was begun.
    pub(crate) fn is_half_gone(&self) -> bool {
        self.direction == "down"
    }
}

/// Reads the record. Empty if the table does not exist or this login may not read it.
pub(crate) async fn entries(connection: &mut Connection) -> Result<BTreeMap<String, Entry>> {
    const DOING: &str = "reading the migration records";
    let failed = Error::doing(DOING);
    if !is_readable(connection).await.map_err(&failed)? {
        return Ok(BTreeMap::new());
    }
    let sql = match connection.engine() {
        Engine::Postgres => READ.replace("$json", "json_build").replace("$true", "true").replace("$text", "::text"),
        Engine::Sqlite => READ.replace("$json", "json").replace("$true", "1").replace("$text", ""),
    };
    let entries: Vec<Entry> = connection.documents(&sql, DOING).await?;
    Ok(entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect())
}

/// Returns whether the migration's reversal was begun. `false` if this login may not read the record.
pub(crate) async fn is_half_gone(connection: &mut Connection, name: &str) -> sqlx::Result<bool> {
    let sql = "SELECT name FROM rylie_migrations WHERE name = $1 AND direction = 'down'";
    Ok(is_readable(connection).await? && connection.text(sql, name).await?.is_some())
}

/// Returns whether the table exists and this login may read it.
async fn is_readable(connection: &mut Connection) -> sqlx::Result<bool> {
    if !connection.has_table(TABLE).await? {
        return Ok(false);
    }
    if connection.engine() == Engine::Sqlite {
        return Ok(true);
    }
    let sql = "SELECT has_table_privilege('public.rylie_migrations', 'SELECT')::text";
    Ok(connection.value(sql).await?.as_deref() == Some("true"))
}

/// Creates the table.
pub(crate) async fn install(connection: &mut Connection) -> Result<()> {
    let sql = create(connection.engine());
    connection.execute(&sql).await.map_err(Error::doing("creating the table of migration records"))
}

pub(crate) fn create(engine: Engine) -> String {
    let timestamp = if engine == Engine::Postgres { "timestamp(3)" } else { "TIMESTAMP" };
    format!(
        "CREATE TABLE IF NOT EXISTS rylie_migrations (
    name text NOT NULL PRIMARY KEY,
    checksum text NOT NULL,
    chain text,
    direction text NOT NULL DEFAULT 'up',
    step integer NOT NULL DEFAULT 0,
    in_doubt text,
    error text,
    adopted boolean NOT NULL DEFAULT false,
    version text NOT NULL,
    started_at {timestamp},
    finished_at {timestamp}
)"
    )
}

fn now(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "(clock_timestamp() AT TIME ZONE 'UTC')",
        Engine::Sqlite => "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    }
}

/// Returns the statement that records the beginning of a migration at this step. A migration counts as applied until it
/// is reverted.
pub(crate) fn begin(engine: Engine, migration: &dyn Migration, direction: Direction, step: usize) -> String {
    let (now, version) = (now(engine), env!("CARGO_PKG_VERSION"));
    let (name, checksum) = (migration.name(), checksum::checksum(migration, engine));
    let (word, reset) = match direction {
        Direction::Up => ("up", ", checksum = excluded.checksum, chain = NULL, finished_at = NULL"),
        Direction::Down => ("down", ""),
    };
    format!(
        "INSERT INTO rylie_migrations (name, checksum, direction, step, version, started_at) \
         VALUES ('{name}', '{checksum}', '{word}', {step}, '{version}', {now}) \
         ON CONFLICT (name) DO UPDATE SET direction = '{word}', step = {step}, in_doubt = NULL, error = NULL, \
         version = '{version}', started_at = {now}{reset}"
    )
}

/// Returns the statement that records the beginning of a step; `in_doubt` for a step that must not run twice.
pub(crate) fn at_step(name: &str, step: usize, in_doubt: Option<&str>) -> String {
    let doubt = in_doubt.map_or("NULL".to_owned(), literal);
    format!("UPDATE rylie_migrations SET step = {step}, in_doubt = {doubt}, error = NULL WHERE name = '{name}'")
}

/// Returns the statement that records a failure; `settled` if the failed statement certainly had no effect.
pub(crate) fn failed(name: &str, reason: &str, settled: bool) -> String {
    let doubt = if settled { ", in_doubt = NULL" } else { "" };
    format!("UPDATE rylie_migrations SET error = {}{doubt} WHERE name = '{name}'", literal(reason))
}

/// Returns the statements that record a migration as applied in both tables. Sent alone, they are one implicit
/// transaction.
pub(crate) fn applied(engine: Engine, migration: &dyn Migration, previous: &str, adopted: bool) -> String {
    format!("{}; {}", record::insert(engine, migration.name()), remembered(engine, migration, previous, adopted))
}

/// Returns the statement for our table only.
pub(crate) fn remembered(engine: Engine, migration: &dyn Migration, previous: &str, adopted: bool) -> String {
    let (name, checksum) = (migration.name(), checksum::checksum(migration, engine));
    let chain = checksum::chain(previous, name, &checksum);
    let (now, version) = (now(engine), env!("CARGO_PKG_VERSION"));
    format!(
        "INSERT INTO rylie_migrations (name, checksum, chain, adopted, version, finished_at) \
         VALUES ('{name}', '{checksum}', '{chain}', {adopted}, '{version}', {now}) \
         ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, chain = excluded.chain, direction = 'up', step = 0, in_doubt = NULL, \
         error = NULL, version = excluded.version, finished_at = excluded.finished_at"
    )
}

/// Returns the statements that remove a migration from both tables.
pub(crate) fn gone(name: &str) -> String {
    format!("{}; {}", record::delete(name), forgotten(name))
}

/// Returns the statement for our table only.
pub(crate) fn forgotten(name: &str) -> String {
    format!("DELETE FROM rylie_migrations WHERE name = {}", literal(name))
}

/// Reads the preceding link of the migration `$1`.
pub(crate) const LAST_LINK: &str = "SELECT chain FROM rylie_migrations WHERE name < $1 AND finished_at IS NOT NULL AND (substr(name, 1, 4) = 'own_') = (substr($1, 1, 4) = 'own_') ORDER BY name DESC LIMIT 1";

/// Returns the preceding link of this migration; empty for the first.
pub(crate) fn link_before(entries: &BTreeMap<String, Entry>, name: &str) -> String {
    let earlier = |entry: &&Entry| entry.name.as_str() < name && same_line(&entry.name, name) && entry.is_applied();
    let mut before = entries.values().rev().filter(earlier);
    before.find_map(|entry| entry.chain.clone()).unwrap_or_default()
}

/// Returns the statements that correct the links of the chain.
pub(crate) fn rechained(entries: &BTreeMap<String, Entry>) -> Vec<String> {
    let (mut previous, mut own) = (String::new(), false);
    let mut statements = Vec::new();
    for entry in entries.values().filter(|entry| entry.is_applied()) {
        // The names of the service's line come together, after or before ours.
        if is_own(&entry.name) != own {
            (previous, own) = (String::new(), !own);
        }
        previous = checksum::chain(&previous, &entry.name, &entry.checksum);
        if entry.chain.as_ref() != Some(&previous) {
            statements.push(format!(
                "UPDATE rylie_migrations SET chain = '{previous}' WHERE name = {}",
                literal(&entry.name)
            ));
        }
    }
    statements
}

/// Drops the table.
pub(crate) async fn uninstall(connection: &mut Connection) -> Result<()> {
    let sql = "DROP TABLE IF EXISTS rylie_migrations";
    connection.execute(sql).await.map_err(Error::doing("dropping the table of migration records"))
}
