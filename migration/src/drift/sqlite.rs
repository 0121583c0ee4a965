//! Compares on SQLite by the stored text of each definition, with the migrations applied to an in-memory database.

use std::collections::BTreeMap;

use super::{Deviation, Drift};
use crate::commas::at_commas;
use crate::connection::Connection;
use crate::error::Result;
use crate::migrations::Migration;
use crate::session::Migrations;

const SCHEMA: &str = "SELECT json_group_array(json_array(type, name, tbl_name, coalesce(sql, ''))) FROM (SELECT * FROM sqlite_schema \
     WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name <> 'seaql_migrations' ORDER BY type = 'index', type = 'trigger', name)";

/// Type, name, table, text.
type Object = (String, String, String, String);

pub(super) async fn drift(connection: &mut Connection, own: &[&'static dyn Migration]) -> Result<Drift> {
    let live = read(connection).await?;
    let expected = expected(own).await?;
    let mut drift = Drift::default();
    for (kind, name, table, sql) in &expected {
        match live.iter().find(|other| &other.0 == kind && &other.1 == name) {
            None => drift.differences.push(missing(kind, name, sql)),
            Some((.., found)) if kind == "table" => compare_tables(&mut drift, table, sql, found),
            Some((.., found)) if words(sql) != words(found) => {
                let drop = format!("DROP {} \"{name}\"", kind.to_uppercase());
                let fix = vec![drop, sql.clone()];
                let (object, expected, found) = (format!("{kind} {name}"), sql.clone(), found.clone());
                drift.differences.push(Deviation { object, expected, found, fix, note: None });
            }
            Some(_) => {}
        }
    }
    for (kind, name, table, sql) in &live {
        let ours = |wanted: &Object| &wanted.0 == kind && &wanted.1 == name;
        let of_ours = expected.iter().any(|wanted| wanted.0 == "table" && &wanted.1 == table);
        if expected.iter().any(ours) {
            continue;
        }
        if kind == "trigger" && of_ours {
            drift.differences.push(Deviation {
                object: format!("trigger {name}"),
                expected: "nothing".to_owned(),
                found: sql.clone(),
                fix: vec![format!("DROP TRIGGER \"{name}\"")],
                note: Some("it may run on every write to one of our tables: find its purpose first"),
            });
        } else {
            drift.extra.push(format!("{kind} {name}"));
        }
    }
    Ok(drift)
}

async fn expected(own: &[&'static dyn Migration]) -> Result<Vec<Object>> {
    let mut migrations = Migrations::connect("sqlite::memory:").await?.with_own(own);
    // The future of `deploy` never contains that of `drift`, but the compiler cannot know.
    Box::pin(migrations.deploy(&mut |_| ())).await?;
    read(&mut migrations.connection).await
}

async fn read(connection: &mut Connection) -> Result<Vec<Object>> {
    connection.document(SCHEMA, "reading the schema").await
}

fn missing(kind: &str, name: &str, sql: &str) -> Deviation {
    Deviation {
        object: format!("{kind} {name}"),
        expected: sql.to_owned(),
        found: "nothing".to_owned(),
        fix: vec![sql.to_owned()],
        note: None,
    }
}

/// Compares columns and constraints one by one. A surplus one is no difference, as on PostgreSQL.
fn compare_tables(drift: &mut Drift, table: &str, expected: &str, found: &str) {
    let (wanted, live) = (parts(expected), parts(found));
    for (name, definition) in &wanted {
        let found = live.get(name);
        if found == Some(definition) {
            continue;
        }
        let is_column = !name.contains(' ');
        let fix =
            if found.is_none() && is_column && (!definition.contains("NOT NULL") || definition.contains("DEFAULT")) {
                vec![format!("ALTER TABLE \"{table}\" ADD COLUMN {definition}")]
            } else {
                Vec::new()
            };
        let note = fix.is_empty().then_some(
            "SQLite cannot change this in place: with foreign keys off, create a new table, copy the rows and rename it",
        );
        let kind = if is_column { "column" } else { "constraint" };
        drift.differences.push(Deviation {
            object: format!("{kind} {table}.{}", name.trim_start_matches("constraint ")),
            expected: definition.clone(),
            found: found.map_or("nothing".to_owned(), Clone::clone),
            fix,
            note,
        });
    }
    let extra = live.keys().filter(|name| !wanted.contains_key(*name));
    drift.extra.extend(extra.map(|name| match name.strip_prefix("constraint ") {
        Some(constraint) => format!("constraint {table}.{constraint}"),
        None => format!("column {table}.{name}"),
    }));
}

/// Splits a `CREATE TABLE` into parts by name: of a column its own, of a constraint with `constraint ` in front.
fn parts(sql: &str) -> BTreeMap<String, String> {
    let inside = sql.split_once('(').map_or("", |(_, rest)| rest.rsplit_once(')').map_or(rest, |(inside, _)| inside));
    let mut parts = BTreeMap::new();
    for part in at_commas(inside) {
        let part = words(part);
        let mut names = part.split(' ');
        let first = names.next().unwrap_or_default().trim_matches('"').to_owned();
        let name = match first.to_uppercase().as_str() {
            "CONSTRAINT" => format!("constraint {}", names.next().unwrap_or_default().trim_matches('"')),
            "PRIMARY" | "UNIQUE" | "CHECK" | "FOREIGN" => format!("constraint {part}"),
            _ => first,
        };
        parts.insert(name, part);
    }
    parts
}

fn words(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_falls_into_columns_and_constraints() {
        let parts = parts(
            "CREATE TABLE \"a\" (\n  id TEXT DEFAULT 'x, (y' NOT NULL,\n \"b\" INTEGER, CONSTRAINT \"a_key\" UNIQUE (id, b))",
        );

        let names: Vec<&str> = parts.keys().map(String::as_str).collect();
        assert_eq!(names, ["b", "constraint a_key", "id"]);
        assert_eq!(parts["id"], "id TEXT DEFAULT 'x, (y' NOT NULL");
    }
}
