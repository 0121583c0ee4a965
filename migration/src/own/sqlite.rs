//! A service's table on SQLite. There the tenant filter is the only isolation layer; keys keep references within the
//! tenant.

use super::postgres::{self, labels};
use crate::new_table::{ColumnKind, NewTable, TASK_KEY};
use crate::step::{Engine, Step};

pub(super) fn steps(table: &NewTable) -> Vec<Step> {
    let name = table.name;
    let mut steps = vec![];
    if table.refers_to_tasks() {
        steps.push(Step::unique_index(Engine::Sqlite, TASK_KEY, "\"Task\" (id, \"tenantId\")"));
    }
    steps.push(Step::sql(create(table)));
    for index in table.all_indexes() {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let sql = format!("CREATE {unique}INDEX IF NOT EXISTS \"{}\" ON \"{name}\" {}", index.name, index.on());
        steps.push(Step::sql(sql));
    }
    for user in table.users() {
        let column = user.column;
        // A user of another tenant is refused like one who does not exist. Users who leave later stay named.
        let refuse = format!(
            "WHEN NEW.\"{column}\" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM \"User\" p WHERE p.id = NEW.\"{column}\" AND \
             p.\"tenantId\" = NEW.\"tenantId\") BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'); END"
        );
        for (event, on) in [("insert", "INSERT".to_owned()), ("update", format!("UPDATE OF \"{column}\""))] {
            steps.push(Step::sql(format!(
                "CREATE TRIGGER IF NOT EXISTS \"{name}_{column}_visible_{event}\" BEFORE {on} ON \"{name}\" FOR EACH ROW {refuse}"
            )));
        }
    }
    steps
}

fn create(table: &NewTable) -> String {
    let name = table.name;
    let mut parts = vec!["id TEXT NOT NULL".to_owned(), "\"tenantId\" TEXT NOT NULL".to_owned()];
    for column in &table.columns {
        let null = if column.nullable { "" } else { " NOT NULL" };
        let default = column.default.map(|value| format!(" DEFAULT {value}")).unwrap_or_default();
        parts.push(format!("\"{}\" {}{null}{default}", column.name, kind(column.kind)));
    }
    // After all columns: SQLite accepts no column behind a constraint.
    parts.extend(table.columns.iter().filter_map(|column| labels(name, column)));
    parts.push(format!("CONSTRAINT \"{name}_pkey\" PRIMARY KEY (id)"));
    parts.push(format!("CONSTRAINT \"{name}_tenantId_check\" CHECK (\"tenantId\" <> '')"));
    for reference in &table.references {
        let key = table.key(reference);
        parts.push(format!("CONSTRAINT \"{key}\" {}", postgres::reference(table, reference)));
    }
    format!("CREATE TABLE IF NOT EXISTS \"{name}\" ({})", parts.join(", "))
}

pub(super) fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text | ColumnKind::Labels(_) => "TEXT",
        ColumnKind::Integer => "INTEGER",
        ColumnKind::BigInteger => "BIGINT",
        ColumnKind::Boolean => "BOOLEAN",
        ColumnKind::Double => "REAL",
        ColumnKind::Timestamp => "TIMESTAMP",
        ColumnKind::Json => "JSON_TEXT",
    }
}
