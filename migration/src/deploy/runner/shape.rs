//! Refuses a table that has one of our names and another shape: `IF NOT EXISTS` would keep it.

use std::collections::BTreeMap;

use rylie_driver::literal;

use crate::commas::at_commas;
use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::step::{Engine, Step};

/// The columns of a table by name, each with its type, and the names of its constraints.
#[derive(Debug, Default, Eq, PartialEq)]
struct Shape {
    columns: BTreeMap<String, String>,
    constraints: Vec<String>,
}

/// Words that end the type of a column.
const AFTER_TYPE: [&str; 9] =
    ["NOT", "NULL", "DEFAULT", "PRIMARY", "UNIQUE", "REFERENCES", "CHECK", "COLLATE", "GENERATED"];

/// Fails if the step would keep an existing table that lacks one of its columns or constraints, or has a column of
/// another type. After an interruption the step meets its own table.
pub(super) async fn refuse_other(connection: &mut Connection, step: &Step) -> Result<()> {
    let Some((table, declared)) = declared(step.statement()) else { return Ok(()) };
    let found = found(connection, table).await?;
    if found.columns.is_empty() {
        return Ok(());
    }
    for (column, kind) in &declared.columns {
        let wrong = match found.columns.get(column) {
            None => format!("it lacks the column {column}"),
            Some(other) if is_other(connection.engine(), kind, other) => {
                format!("its column {column} has the type {other} and not {kind}")
            }
            Some(_) => continue,
        };
        return Err(Refusal::OtherShape { table: table.to_owned(), detail: wrong }.into());
    }
    // SQLite does not list the names of constraints.
    let lacks = declared.constraints.iter().find(|name| !found.constraints.contains(name));
    match lacks.filter(|_| connection.engine() == Engine::Postgres) {
        Some(name) => {
            Err(Refusal::OtherShape { table: table.to_owned(), detail: format!("it lacks the constraint {name}") }
                .into())
        }
        None => Ok(()),
    }
}

/// Compares types that both engines spell in one way. Others are not compared.
fn is_other(engine: Engine, declared: &str, found: &str) -> bool {
    let (declared, found) = (declared.to_lowercase(), found.to_lowercase());
    if engine == Engine::Sqlite {
        return declared != found;
    }
    match declared.as_str() {
        "text" | "bigint" | "integer" | "boolean" | "bytea" => declared != found,
        "timestamp(3)" => found != "timestamp(3) without time zone",
        _ => false,
    }
}

async fn found(connection: &mut Connection, table: &str) -> Result<Shape> {
    const DOING: &str = "looking for a table of the same name";
    let table = literal(table);
    let (columns, constraints) = match connection.engine() {
        Engine::Postgres => (
            format!(
                "SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relname = {table} AND a.attnum > 0 AND NOT a.attisdropped"
            ),
            format!(
                "SELECT o.conname::text FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid \
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relname = {table}"
            ),
        ),
        Engine::Sqlite => (format!("SELECT name || ' ' || type FROM pragma_table_info({table})"), String::new()),
    };
    let rows = connection.values(&columns).await.map_err(Error::doing(DOING))?;
    let columns: BTreeMap<_, _> =
        rows.iter().filter_map(|row| row.split_once(' ')).map(|(name, kind)| (name.into(), kind.into())).collect();
    let named = if columns.is_empty() { Vec::new() } else { connection.list_postgres(&constraints, DOING).await? };
    Ok(Shape { columns, constraints: named })
}

/// Returns the table of a `CREATE TABLE IF NOT EXISTS`, and its shape.
fn declared(sql: &str) -> Option<(&str, Shape)> {
    let rest = sql.trim_start().strip_prefix("CREATE TABLE IF NOT EXISTS ")?;
    let (name, body) = rest.split_once('(')?;
    let (body, _) = body.rsplit_once(')')?;
    let mut shape = Shape::default();
    for part in at_commas(body) {
        let mut words = part.split_whitespace();
        let Some(first) = words.next() else { continue };
        match first {
            "CONSTRAINT" => shape.constraints.extend(words.next().map(|name| name.trim_matches('"').to_owned())),
            "PRIMARY" | "UNIQUE" | "FOREIGN" | "CHECK" => {}
            column => {
                let kind: Vec<&str> = words.take_while(|word| !AFTER_TYPE.contains(word)).collect();
                shape.columns.insert(column.trim_matches('"').to_owned(), kind.join(" "));
            }
        }
    }
    Some((name.trim().trim_matches('"'), shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::MIGRATIONS;

    #[test]
    fn columns_and_constraints_are_read_from_the_statement() {
        let sql = "CREATE TABLE IF NOT EXISTS \"T\" (\n    id text NOT NULL,\n    at timestamp(3),\n    \
                   CONSTRAINT t_kind CHECK (id IN ('a', 'b'))\n)";
        let columns = [("at", "timestamp(3)"), ("id", "text")].map(|(name, kind)| (name.into(), kind.into()));

        let expected = Shape { columns: BTreeMap::from(columns), constraints: vec!["t_kind".to_owned()] };
        assert_eq!(declared(sql), Some(("T", expected)));
        assert_eq!(declared("CREATE INDEX IF NOT EXISTS i ON t (id)"), None);
    }

    #[test]
    fn every_table_of_ours_has_a_shape_with_types() {
        let mut tables = 0;
        for engine in [Engine::Postgres, Engine::Sqlite] {
            for step in MIGRATIONS.iter().flat_map(|migration| migration.up(engine)) {
                let Some((table, shape)) = declared(step.statement()) else { continue };
                assert!(shape.columns.values().all(|kind| !kind.is_empty()), "{table}: {shape:?}");
                tables += 1;
            }
        }
        assert!(tables > 10, "{tables}");
    }
}
