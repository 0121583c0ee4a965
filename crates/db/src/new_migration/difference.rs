//! The differences between the entities and the schema.

use rylie_entities::{EntityColumn, EntityTable};
use rylie_migration::{Catalog, Table};

const TENANT: &str = "tenantId";

/// The parents that a tenant's row may reference: column and table.
const PARENTS: [(&str, &str); 2] = [("requestId", "Request"), ("userId", "User")];

#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) new_tables: Vec<EntityTable>,
    /// Each with the name of its table.
    pub(super) new_columns: Vec<(String, EntityColumn)>,
    pub(super) remarks: Vec<String>,
}

impl Difference {
    pub(super) fn between(entities: &[EntityTable], schema: &Catalog) -> Self {
        let mut difference = Self::default();
        for entity in entities {
            match schema.tables.get(&entity.name) {
                None => difference.new_tables.push(entity.clone()),
                Some(table) => difference.columns(entity, table),
            }
        }
        for name in schema.tables.keys().filter(|name| !is_our_own(name)) {
            if entities.iter().all(|entity| &entity.name != name) {
                difference.remarks.push(format!("table {name} has no entity; drop it only when nothing reads it"));
            }
        }
        difference
    }

    fn columns(&mut self, entity: &EntityTable, table: &Table) {
        let name = &entity.name;
        for column in &entity.columns {
            let of = &column.name;
            let Some(live) = table.columns.get(of) else {
                self.new_columns.push((name.clone(), column.clone()));
                continue;
            };
            if live.kind != column.kind {
                self.remarks.push(format!(
                    "column {name}.{of} is {} in the schema and {} in the entity; to change the type, add a new column",
                    live.kind, column.kind
                ));
            }
            if live.nullable != column.nullable {
                let words = |nullable| if nullable { "may be null" } else { "is not null" };
                self.remarks.push(format!(
                    "column {name}.{of} {} in the schema and {} in the entity",
                    words(live.nullable),
                    words(column.nullable)
                ));
            }
        }
        let unknown = table.columns.keys().filter(|live| entity.columns.iter().all(|column| &column.name != *live));
        self.remarks.extend(unknown.map(|column| {
            format!("column {name}.{column} is in no entity; drop it only when no service reads it, old or new")
        }));
    }

    /// Returns steps that can be repeated, for a live database.
    pub(super) fn postgres(&self) -> Vec<String> {
        let mut steps: Vec<String> = self.new_columns.iter().map(|(table, column)| add_column(table, column)).collect();
        for table in &self.new_tables {
            steps.push(create(table, true));
            if has_tenant(table) {
                steps.push(format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {}", index(table)));
                steps.push(format!(
                    "ALTER TABLE \"{0}\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
                    table.name
                ));
            }
        }
        steps
    }

    pub(super) fn sqlite(&self) -> Vec<String> {
        let mut steps: Vec<String> = self
            .new_columns
            .iter()
            .map(|(table, column)| {
                format!(
                    "ALTER TABLE \"{table}\" ADD COLUMN \"{}\" {}",
                    column.name,
                    definition(column, &column.sqlite_kind)
                )
            })
            .collect();
        for table in &self.new_tables {
            steps.push(create(table, false));
            if has_tenant(table) {
                steps.push(format!("CREATE INDEX {}", index(table)));
            }
        }
        steps
    }

    /// Returns the policies of the database roles, for tenant-owned tables.
    pub(super) fn policies(&self) -> Vec<String> {
        self.new_tables.iter().filter(|table| has_tenant(table)).map(|table| policy(&table.name)).collect()
    }
}

pub(super) fn has_tenant(table: &EntityTable) -> bool {
    table.columns.iter().any(|column| column.name == TENANT)
}

fn is_our_own(table: &str) -> bool {
    table.starts_with("rylie_") || table == "seaql_migrations"
}

/// A new column is nullable, unless old rows may have a default. Add NOT NULL once they are filled.
fn definition(column: &EntityColumn, kind: &str) -> String {
    match (column.nullable, column.kind.as_str()) {
        (false, "boolean") => format!("{kind} DEFAULT false NOT NULL"),
        _ => kind.to_owned(),
    }
}

fn add_column(table: &str, column: &EntityColumn) -> String {
    format!("ALTER TABLE \"{table}\" ADD COLUMN IF NOT EXISTS \"{}\" {}", column.name, definition(column, &column.kind))
}

fn create(table: &EntityTable, postgres: bool) -> String {
    let name = &table.name;
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let kind = if postgres { &column.kind } else { &column.sqlite_kind };
            format!("\"{}\" {kind}{}", column.name, if column.nullable { "" } else { " NOT NULL" })
        })
        .collect();
    let key: Vec<String> = table.key.iter().map(|column| format!("\"{column}\"")).collect();
    lines.push(format!("CONSTRAINT \"{name}_pkey\" PRIMARY KEY ({})", key.join(", ")));
    lines.extend(parent(table));
    let if_missing = if postgres { "IF NOT EXISTS " } else { "" };
    format!("CREATE TABLE {if_missing}\"{name}\" (\n    {}\n)", lines.join(",\n    "))
}

/// Returns the composite foreign key that prevents references into another tenant.
fn parent(table: &EntityTable) -> Option<String> {
    let has = |name: &str| table.columns.iter().any(|column| column.name == name);
    let (column, parent) = PARENTS.iter().find(|(column, _)| has_tenant(table) && has(column))?;
    Some(format!(
        "CONSTRAINT \"{0}_{column}_tenantId_fkey\" FOREIGN KEY (\"{column}\", \"tenantId\") REFERENCES \"{parent}\" (id, \"tenantId\") \
         ON UPDATE CASCADE ON DELETE CASCADE",
        table.name
    ))
}

/// Returns the index by tenant, in the order of a list.
fn index(table: &EntityTable) -> String {
    let name = &table.name;
    let key = table.key.first().map_or("id", String::as_str);
    if table.columns.iter().any(|column| column.name == "createdAt") {
        return format!(
            "\"{name}_tenantId_createdAt_idx\" ON \"{name}\" (\"tenantId\", \"createdAt\" DESC, \"{key}\" DESC)"
        );
    }
    format!("\"{name}_tenantId_idx\" ON \"{name}\" (\"tenantId\", \"{key}\")")
}

fn policy(table: &str) -> String {
    let own = "\"tenantId\" = current_setting('rylie.tenant', true)";
    let one = |role: &str, condition: &str| {
        format!(
            "DROP POLICY IF EXISTS {role} ON \"{table}\"; CREATE POLICY {role} ON \"{table}\" TO {role} USING ({condition}) WITH CHECK ({condition});"
        )
    };
    format!(
        "{} {} GRANT SELECT, INSERT, UPDATE, DELETE ON \"{table}\" TO rylie_tenant, rylie_platform;",
        one("rylie_tenant", own),
        one("rylie_platform", "true")
    )
}
