//! The statement that creates a service's table, on either engine.

use crate::new_table::{ColumnKind, NewColumn, NewTable};

/// Returns the statement. `kind` names the engine's types; `keys` are constraints after the others.
pub(super) fn create_table(table: &NewTable, kind: fn(ColumnKind) -> &'static str, keys: Vec<String>) -> String {
    let (name, text) = (table.name, kind(ColumnKind::Text));
    let mut parts = vec![format!("id {text} NOT NULL"), format!("\"tenantId\" {text} NOT NULL")];
    for column in &table.columns {
        let null = if column.nullable { "" } else { " NOT NULL" };
        let default = column.default.map(|value| format!(" DEFAULT {value}")).unwrap_or_default();
        parts.push(format!("\"{}\" {}{null}{default}", column.name, kind(column.kind)));
    }
    // After all columns: SQLite accepts no column behind a constraint.
    parts.extend(table.columns.iter().filter_map(|column| labels(name, column)));
    parts.push(format!("CONSTRAINT \"{name}_pkey\" PRIMARY KEY (id)"));
    parts.push(format!("CONSTRAINT \"{name}_tenantId_check\" CHECK (\"tenantId\" <> '')"));
    parts.extend(keys);
    format!("CREATE TABLE IF NOT EXISTS \"{name}\" ({})", parts.join(", "))
}

/// Returns the check of a column's labels, if it has any.
pub(super) fn labels(table: &str, column: &NewColumn) -> Option<String> {
    let ColumnKind::Labels(labels) = column.kind else { return None };
    Some(check_of_labels(table, column.name, labels))
}

/// Returns the check that a column has one of these labels, or null.
pub(super) fn check_of_labels(table: &str, column: &str, labels: &[&str]) -> String {
    let labels: Vec<_> = labels.iter().map(|label| format!("'{label}'")).collect();
    format!("CONSTRAINT \"{table}_{column}_check\" CHECK (\"{column}\" IN ({}))", labels.join(", "))
}
