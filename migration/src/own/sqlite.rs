//! A service's table on SQLite. There the tenant filter is the only isolation layer; keys keep references within the
//! tenant.

use super::create_table::create_table;
use super::postgres;
use crate::new_table::{ColumnKind, NewTable, TASK_KEY};
use crate::step::{Engine, Step};

pub(super) fn steps(table: &NewTable) -> Vec<Step> {
    let name = table.name;
    let mut steps = vec![];
    if table.refers_to_tasks() {
        steps.push(Step::unique_index(Engine::Sqlite, TASK_KEY, "\"Task\" (id, \"tenantId\")"));
    }
    let key = |reference| format!("CONSTRAINT \"{}\" {}", table.key(reference), postgres::reference(table, reference));
    let keys = table.references.iter().map(key).collect();
    steps.push(Step::sql(create_table(table, kind, keys)));
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
