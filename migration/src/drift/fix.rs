//! Statements that fix a difference in the form that is safe on a live table: concurrent, `NOT VALID` first, in steps.

use rylie_driver::{literal, quoted};

use super::snapshot::{Column, Function, Table, Trigger};

/// Returns a column definition for `CREATE TABLE`.
pub(super) fn column(column: &Column) -> String {
    let mut definition = column.kind.clone();
    definition.extend(column.generated.iter().map(|generated| format!(" {generated}")));
    definition.extend(column.default.iter().map(|default| format!(" DEFAULT {default}")));
    if !column.nullable {
        definition.push_str(" NOT NULL");
    }
    definition
}

/// Creates a missing table with all its parts.
pub(super) fn table(name: &str, table: &Table, protected: bool) -> Vec<String> {
    let columns: Vec<String> =
        table.columns.iter().map(|(name, definition)| format!("{} {}", quoted(name), column(definition))).collect();
    let unlogged = if table.unlogged { "UNLOGGED " } else { "" };
    let mut fix = vec![format!("CREATE {unlogged}TABLE {} ({})", quoted(name), columns.join(", "))];
    for foreign in [false, true] {
        let constraints = table.constraints.iter().filter(|(_, sql)| sql.starts_with("FOREIGN KEY") == foreign);
        fix.extend(constraints.map(|(constraint, sql)| {
            format!("ALTER TABLE {} ADD CONSTRAINT {} {sql}", quoted(name), quoted(constraint))
        }));
    }
    fix.extend(
        table.indexes.iter().filter(|(index, _)| !table.constraints.contains_key(*index)).map(|(_, sql)| sql.clone()),
    );
    fix.extend(table.triggers.iter().flat_map(|(trigger_name, sql)| trigger(name, trigger_name, sql, false)));
    fix.extend(table.rules.values().cloned());
    if protected {
        fix.extend(table.policies.iter().flat_map(|(policy_name, sql)| policy(name, policy_name, Some(sql))));
        fix.push(row_security(name, &table.row_security));
        fix.extend(table.grants.iter().flat_map(|(role, rights)| grant(name, role, Some(rights))));
    }
    fix
}

/// Adds a column; nullable first if there is no value for the existing rows.
pub(super) fn add_column(table: &str, name: &str, definition: &Column) -> Vec<String> {
    let empty = !definition.nullable && definition.default.is_none() && definition.generated.is_none();
    let first = Column { nullable: definition.nullable || empty, ..definition.clone() };
    let mut fix =
        vec![format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}", quoted(table), quoted(name), column(&first))];
    if empty {
        fix.extend(nullability(table, name, false));
    }
    fix
}

pub(super) fn column_type(table: &str, name: &str, expected: &Column) -> Vec<String> {
    let (table, column, kind) = (quoted(table), quoted(name), &expected.kind);
    let plain = kind.split(" COLLATE ").next().unwrap_or(kind);
    let mut fix = vec![format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} USING {column}::{plain}")];
    if let Some(default) = &expected.default {
        // The old default may not convert to the new type automatically.
        fix.insert(0, format!("ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT"));
        fix.push(format!("ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default}"));
    }
    fix
}

pub(super) fn column_default(table: &str, column: &str, expected: &Column) -> Vec<String> {
    let change = expected.default.as_ref().map_or("DROP DEFAULT".to_owned(), |sql| format!("SET DEFAULT {sql}"));
    vec![format!("ALTER TABLE {} ALTER COLUMN {} {change}", quoted(table), quoted(column))]
}

/// Sets `NOT NULL` by way of a check constraint, which avoids the scan under a strong lock.
pub(super) fn nullability(table: &str, column: &str, nullable: bool) -> Vec<String> {
    let check = quoted(&format!("{table}_{column}_not_null"));
    let (table, column) = (quoted(table), quoted(column));
    if nullable {
        return vec![format!("ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")];
    }
    vec![
        format!(
            "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}, ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"
        ),
        format!("ALTER TABLE {table} VALIDATE CONSTRAINT {check}"),
        format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"),
        format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}"),
    ]
}

/// Builds an index concurrently. The index of a constraint is rebuilt in place.
pub(super) fn index(name: &str, definition: &str, there: bool, constraint: Option<&String>) -> Vec<String> {
    if there && constraint.is_some() {
        return vec![format!("REINDEX INDEX CONCURRENTLY {}", quoted(name))];
    }
    let make = definition.replacen("INDEX ", "INDEX CONCURRENTLY ", 1);
    let drop = there.then(|| format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quoted(name)));
    drop.into_iter().chain([make]).collect()
}

pub(super) fn rename_index(from: &str, to: &str) -> String {
    format!("ALTER INDEX {} RENAME TO {}", quoted(from), quoted(to))
}

pub(super) fn rename_constraint(table: &str, from: &str, to: &str) -> String {
    format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", quoted(table), quoted(from), quoted(to))
}

/// Adds or validates a constraint. `indexed`: whether an index of its name exists.
pub(super) fn constraint(
    table: &str,
    name: &str,
    definition: &str,
    found: Option<&String>,
    indexed: bool,
) -> Vec<String> {
    let (on, constraint) = (quoted(table), quoted(name));
    let validate = format!("ALTER TABLE {on} VALIDATE CONSTRAINT {constraint}");
    if found.is_some_and(|found| found.strip_suffix(" NOT VALID") == Some(definition)) {
        return vec![validate];
    }
    let unique = ["PRIMARY KEY", "UNIQUE"].into_iter().find(|kind| definition.starts_with(kind));
    let Some(kind) = unique else {
        let add = format!(
            "ALTER TABLE {on} DROP CONSTRAINT IF EXISTS {constraint}, ADD CONSTRAINT {constraint} {definition} NOT VALID"
        );
        return vec![add, validate];
    };
    let columns = definition.strip_prefix(kind).unwrap_or_default().trim();
    let mut fix = Vec::new();
    if found.is_some() {
        fix.push(format!("ALTER TABLE {on} DROP CONSTRAINT {constraint}"));
    }
    if found.is_some() || !indexed {
        fix.push(format!("CREATE UNIQUE INDEX CONCURRENTLY {constraint} ON {on} {columns}"));
    }
    fix.push(format!("ALTER TABLE {on} ADD CONSTRAINT {constraint} {kind} USING INDEX {constraint}"));
    fix
}

/// Creates a trigger. `there`: whether one with another definition exists; a constraint trigger cannot be replaced.
pub(super) fn trigger(table: &str, name: &str, expected: &Trigger, there: bool) -> Vec<String> {
    let replaced = expected.definition.replacen("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1);
    let mut fix = Vec::new();
    if there && replaced == expected.definition {
        fix.push(format!("DROP TRIGGER IF EXISTS {} ON {}", quoted(name), quoted(table)));
    }
    fix.push(replaced);
    if expected.state != "enabled" {
        fix.push(trigger_state(table, name, &expected.state));
    }
    fix
}

pub(super) fn trigger_state(table: &str, name: &str, state: &str) -> String {
    let change = match state {
        "disabled" => "DISABLE",
        "enabled always" => "ENABLE ALWAYS",
        "enabled for replicas" => "ENABLE REPLICA",
        _ => "ENABLE",
    };
    format!("ALTER TABLE {} {change} TRIGGER {}", quoted(table), quoted(name))
}

/// Enables all triggers, since those of foreign keys cannot be enabled alone, and then restores our triggers' states.
pub(super) fn foreign_keys_on(table: &str, expected: &Table) -> Vec<String> {
    let others = expected.triggers.iter().filter(|(_, trigger)| trigger.state != "enabled");
    let mut fix = vec![format!("ALTER TABLE {} ENABLE TRIGGER ALL", quoted(table))];
    fix.extend(others.map(|(name, trigger)| trigger_state(table, name, &trigger.state)));
    fix
}

pub(super) fn rule(table: &str, name: &str, expected: Option<&String>) -> Vec<String> {
    match expected {
        Some(sql) => vec![sql.replacen("CREATE RULE", "CREATE OR REPLACE RULE", 1)],
        None => vec![format!("DROP RULE {} ON {}", quoted(name), quoted(table))],
    }
}

/// Replaces a policy in one transaction, so that the table is never without it.
pub(super) fn policy(table: &str, name: &str, expected: Option<&String>) -> Vec<String> {
    let (on, policy) = (quoted(table), quoted(name));
    let drop = format!("DROP POLICY IF EXISTS {policy} ON {on}");
    match expected {
        Some(definition) => vec![format!("BEGIN; {drop}; CREATE POLICY {policy} ON {on} {definition}; COMMIT")],
        None => vec![drop],
    }
}

pub(super) fn row_security(table: &str, expected: &str) -> String {
    let change = match expected {
        "forced" => "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "enabled" => "ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
        _ => "NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY",
    };
    format!("ALTER TABLE {} {change}", quoted(table))
}

/// Sets exactly these rights, in one transaction.
pub(super) fn grant(table: &str, role: &str, rights: Option<&String>) -> Vec<String> {
    let on = quoted(table);
    let revoke = format!("REVOKE ALL ON {on} FROM {role}");
    match rights {
        Some(rights) => vec![format!("BEGIN; {revoke}; GRANT {rights} ON {on} TO {role}; COMMIT")],
        None => vec![revoke],
    }
}

pub(super) fn schema_grant(role: &str, rights: &str) -> Vec<String> {
    vec![format!("GRANT {rights} ON SCHEMA public TO {role}")]
}

pub(super) fn function(name: &str, expected: &Function) -> Vec<String> {
    let mut fix = vec![expected.definition.trim_end().to_owned()];
    if !expected.for_everybody {
        fix.push(execute(name, false));
    }
    fix
}

pub(super) fn execute(name: &str, for_everybody: bool) -> String {
    let (change, to) = if for_everybody { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
    format!("{change} EXECUTE ON FUNCTION {name} {to} PUBLIC")
}

/// Adds missing enum labels in their places. Labels cannot be removed.
pub(super) fn labels(
    name: &str,
    expected: &[String],
    found: Option<&Vec<String>>,
) -> (Vec<String>, Option<&'static str>) {
    let on = quoted(name);
    let Some(found) = found else {
        let labels: Vec<String> = expected.iter().map(|label| literal(label)).collect();
        return (vec![format!("CREATE TYPE {on} AS ENUM ({})", labels.join(", "))], None);
    };
    let missing = expected.iter().enumerate().filter(|(_, label)| !found.contains(label));
    let fix: Vec<String> = missing
        .map(|(number, label)| {
            let place = match number.checked_sub(1).and_then(|before| expected.get(before)) {
                Some(before) => format!("AFTER {}", literal(before)),
                None => found.first().map_or(String::new(), |first| format!("BEFORE {}", literal(first))),
            };
            format!("ALTER TYPE {on} ADD VALUE IF NOT EXISTS {} {place}", literal(label))
        })
        .collect();
    let surplus = found.iter().any(|label| !expected.contains(label));
    let note = "labels cannot be removed or reordered: change the rows that use them, create a new type \
                and convert the columns, which rewrites their tables";
    let reordered = fix.is_empty();
    (fix, (surplus || reordered).then_some(note))
}

pub(super) fn view(definition: &str) -> Vec<String> {
    if definition.starts_with("MATERIALIZED") {
        return vec![format!("CREATE {}", definition.trim_end_matches(';'))];
    }
    vec![format!("CREATE OR REPLACE {}", definition.trim_end_matches(';'))]
}

pub(super) fn sequence(name: &str, definition: &str) -> Vec<String> {
    vec![
        format!("CREATE SEQUENCE IF NOT EXISTS {} {definition}", quoted(name)),
        format!("ALTER SEQUENCE {} {definition}", quoted(name)),
    ]
}
