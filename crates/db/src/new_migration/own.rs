//! The source text of a service's migration: a new table, an addition to one, or steps written by hand.

use rylie_entities::EntityColumn;

use super::difference::Difference;
use super::source::type_name;
use crate::schema::Schema;

/// The text of a file and what it holds.
pub(super) struct OwnSource {
    pub(super) text: String,
    /// The constant to list in the `Schema`.
    pub(super) constant: String,
    /// The method of `Schema` that lists it.
    pub(super) listed_by: &'static str,
    /// Parts of the proposal that need a decision.
    pub(super) remarks: Vec<String>,
}

/// Writes the additions that the entities have and the migrations lack. Without any, the name decides: `create_label`
/// makes the table `Label`, `add_due_to_label` adds to it, and another name has steps to write.
pub(super) fn write(name: &str, what: &str, difference: &Difference, schema: &Schema) -> OwnSource {
    let constant = what.to_uppercase();
    if let Some((table, _)) = difference.new_columns.first() {
        let of_table = |(of, _): &&(String, EntityColumn)| of == table;
        let columns: Vec<_> = difference.new_columns.iter().filter(of_table).map(|(_, column)| column).collect();
        let others = difference.new_columns.iter().filter(|(of, _)| of != table);
        let mut remarks: Vec<_> = others
            .map(|(of, column)| format!("column {of}.{} needs a further migration: one changes one table", column.name))
            .collect();
        remarks.extend(columns.iter().filter(|column| needs_value(column)).map(|column| {
            let (name, or) = (&column.name, if column.kind == "integer" { ", or an i64, which gets zero" } else { "" });
            format!(
                "column {table}.{name} is proposed as nullable: existing rows have no value; make the field an Option{or}"
            )
        }));
        let known = schema.tables().iter().find(|known| known.name == table);
        let typed = known.map(|known| known.typed.as_slice()).unwrap_or_default();
        let is_id = |column: &&&EntityColumn| {
            typed.iter().any(|(name, id)| *name == column.name && schema.table_of_id(*id).is_some())
        };
        remarks.extend(columns.iter().filter(is_id).map(|column| {
            format!(
                "column {table}.{} has the type of an id of another table, and an existing table gets no foreign key: a new \
                 table can have it; without a key make the field a String",
                column.name
            )
        }));
        let labels = known.map(|known| known.labels.as_slice());
        let calls: String = columns.iter().map(|column| call(column, labels.unwrap_or_default())).collect();
        return added(name, constant, table, &calls, remarks);
    }
    if let Some(table) = what.strip_prefix("create_").map(type_name) {
        return created(name, constant, &table);
    }
    if let Some((_, table)) = what.rsplit_once("_to_") {
        return added(name, constant, &type_name(table), "", Vec::new());
    }
    by_hand(name, &type_name(what))
}

fn created(name: &str, constant: String, table: &str) -> OwnSource {
    let text = format!(
        "//! State in one sentence what a row of the table is.\n\nuse rylie_db::own::*;\n\n\
         pub(crate) const {constant}: CreateTable = CreateTable::new(\"{name}\", || {{\n    \
         // The key and the tenant key come by themselves. Describe the rest: `belongs_to`, `user`, `text`, `column`,\n    \
         // `nullable`, `unique`, `index`, `soft_delete`, `append_only`.\n    \
         NewTable::new(\"{table}\").times()\n}});\n"
    );
    OwnSource { text, constant, listed_by: "table::<…::Entity>", remarks: Vec::new() }
}

fn added(name: &str, constant: String, table: &str, calls: &str, remarks: Vec<String>) -> OwnSource {
    let hint = if calls.is_empty() {
        "    // Describe what it adds: `nullable`, `flag`, `amount`, `unique`, `index`.\n"
    } else {
        ""
    };
    let text = format!(
        "//! State in one sentence what changes, and why.\n\nuse rylie_db::own::*;\n\n\
         pub(crate) const {constant}: AlterTable = AlterTable::new(\"{name}\", || {{\n{hint}    \
         TableChange::of(\"{table}\"){calls}\n}});\n"
    );
    OwnSource { text, constant, listed_by: "migration", remarks }
}

fn by_hand(name: &str, type_name: &str) -> OwnSource {
    let text = format!(
        "//! State in one sentence what changes, and why.\n\nuse rylie_db::own::*;\n\n\
         /// Each step is repeatable: a deploy that was interrupted sends it again.\n\
         #[derive(Debug)]\npub(crate) struct {type_name};\n\n\
         impl Migration for {type_name} {{\n    fn name(&self) -> &'static str {{\n        \"{name}\"\n    }}\n\n    \
         fn up(&self, engine: Engine) -> Vec<Step> {{\n        match engine {{\n            \
         Engine::Postgres => vec![],\n            Engine::Sqlite => vec![],\n        }}\n    }}\n\n    \
         fn down(&self, engine: Engine) -> Vec<Step> {{\n        match engine {{\n            \
         Engine::Postgres => vec![],\n            Engine::Sqlite => vec![],\n        }}\n    }}\n}}\n"
    );
    OwnSource { text, constant: type_name.to_owned(), listed_by: "migration", remarks: Vec::new() }
}

/// Returns the line that calls `TableChange` to add the column.
fn call(column: &EntityColumn, labels: &[(&str, Vec<String>)]) -> String {
    let EntityColumn { name, kind, nullable, .. } = column;
    if let Some((_, labels)) = labels.iter().find(|(labelled, _)| labelled == name) {
        let labels: Vec<_> = labels.iter().map(|label| format!("\"{label}\"")).collect();
        return format!("\n        .nullable(\"{name}\", ColumnKind::Labels(&[{}]))", labels.join(", "));
    }
    let kind = match kind.as_str() {
        "boolean" if !nullable => return format!("\n        .flag(\"{name}\")"),
        "bigint" if !nullable => return format!("\n        .amount(\"{name}\")"),
        "boolean" => "Boolean",
        "bigint" => "BigInteger",
        "integer" => "Integer",
        "double precision" => "Double",
        "jsonb" => "Json",
        "timestamp(3) without time zone" => "Timestamp",
        _ => "Text",
    };
    format!("\n        .nullable(\"{name}\", ColumnKind::{kind})")
}

fn needs_value(column: &EntityColumn) -> bool {
    !column.nullable && !matches!(column.kind.as_str(), "boolean" | "bigint")
}
