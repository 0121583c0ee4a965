//! Refuses a reversal that could not be completed, because objects of others depend on what it drops. PostgreSQL.
//!
//! A view on one of our columns, or a foreign key to one of our tables, would stop the reversal half-way.

use rylie_driver::literal;

use super::coexistence;
use crate::adopt::Catalog;
use crate::connection::Connection;
use crate::drift::Snapshot;
use crate::error::{Refusal, Result};
use crate::migrations::Migration;
use crate::step::Engine;

const SQL: &str = include_str!("dependents/dependents.sql");

/// Fails if an object that no migration made depends on what the reversal of these migrations drops. Reads only.
pub(super) async fn refuse(connection: &mut Connection, reverted: &[&'static dyn Migration]) -> Result<()> {
    let objects = read(connection, reverted, REFUSING).await?;
    if objects.is_empty() { Ok(()) } else { Err(Refusal::Dependents { objects }.into()) }
}

/// Returns the indexes, constraints and statistics that no migration made and that go with what the reversal of these
/// migrations drops, as PostgreSQL describes them. Reads only.
pub(super) async fn going(connection: &mut Connection, reverted: &[&'static dyn Migration]) -> Result<Vec<String>> {
    read(connection, reverted, GOING).await
}

/// A dependency that stops a statement that drops.
const REFUSING: &str = "d.deptype = 'n'";

/// A dependency that such a statement follows.
const GOING: &str =
    "d.deptype = 'a' AND d.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_statistic_ext'::regclass)";

async fn read(connection: &mut Connection, reverted: &[&'static dyn Migration], how: &str) -> Result<Vec<String>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    let steps: Vec<String> = reverted
        .iter()
        .flat_map(|migration| migration.down(Engine::Postgres))
        .map(|step| step.statement().replace("public.", ""))
        .collect();
    // A service's tables go first, with their keys and triggers.
    let own: Vec<_> = reverted.iter().filter_map(|migration| migration.own_table()).map(|table| table.name()).collect();
    connection.list_postgres(&sql(&steps, &own).replace("$how", how), "looking for dependent objects").await
}

fn sql(steps: &[String], own: &[&str]) -> String {
    let expected = Snapshot::expected();
    let drops = |what: &str| steps.iter().any(|step| step.contains(what));
    let columns = expected
        .tables
        .iter()
        .flat_map(|(table, definition)| definition.columns.keys().map(move |column| (table.as_str(), column.as_str())));
    let pair = |(table, column): (&str, &str)| format!("({}, {})", literal(table), literal(column));
    let made = list(columns.clone().map(pair), "('', '')");
    let every_column = columns.clone();
    let columns = columns.filter(|(table, column)| {
        let on = format!("ALTER TABLE \"{table}\"");
        let of = |step: &&String| {
            step.contains(&format!("DROP COLUMN IF EXISTS \"{column}\""))
                || step.contains(&format!("DROP COLUMN IF EXISTS {column}"))
        };
        steps.iter().filter(|step| step.contains(&on)).any(|step| of(&step))
    });
    let columns = columns.map(pair);
    let table_names = expected.tables.keys().chain(expected.sequences.keys());
    let relations = table_names.filter(|name| {
        let kinds = ["TABLE ", "TABLE IF EXISTS ", "SEQUENCE IF EXISTS "];
        kinds.iter().any(|kind| drops(&format!("DROP {kind}{name}")) || drops(&format!("DROP {kind}\"{name}\"")))
    });
    let functions = expected.functions.keys().filter_map(|function| function.split('(').next());
    let functions = functions.filter(|name| drops(&format!("DROP FUNCTION IF EXISTS {name}(")));
    // The end of the coexistence drops it, and no migration.
    let of_coexistence = coexistence::FUNCTION.trim_end_matches("()");
    let functions = functions.chain([of_coexistence].into_iter().filter(|_| drops("DISABLE ROW LEVEL SECURITY")));
    let indexes = expected.index_names().chain(coexistence::INDEXES.map(|(_, name, _)| name));
    let indexes = indexes.chain(expected.sequences.keys().map(String::as_str));
    let base = Catalog::base();
    let constraints = expected.tables.values().flat_map(|table| table.constraints.keys());
    let constraints = constraints.chain(base.tables.values().flat_map(|table| table.constraints.keys())).cloned();
    // An interrupted step has left it: the check that spares `SET NOT NULL` its scan.
    let constraints = constraints.chain(every_column.map(|(table, column)| format!("{table}_{column}_not_null")));
    let triggers = expected.tables.values().flat_map(|table| table.triggers.keys());
    SQL.replace("$columns", &list(columns, "('', '')"))
        .replace("$relations", &list(relations.map(|name| literal(name)), "''"))
        .replace("$functions", &list(functions.map(literal), "''"))
        .replace("$constraints", &list(constraints.map(|name| literal(&name)), "''"))
        .replace("$triggers", &list(triggers.map(|name| literal(name)), "''"))
        .replace("$own", &list(own.iter().map(|name| literal(name)), "''"))
        .replace("$indexes", &list(indexes.map(literal), "''"))
        .replace("$made", &made)
}

/// SQL has no empty list.
fn list(names: impl Iterator<Item = String>, none: &str) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}
