//! The foreign keys that an entity implies: its relations, and its columns with the id of another table.

use std::collections::BTreeSet;

use rylie_db::own::Schema;
use rylie_db::repositories::OwnTableInfo;

/// Each column of a foreign key with its parent. `$1` is the table.
pub(super) const POSTGRES: &str = "SELECT a.attname::text, p.relname::text FROM pg_constraint c \
     JOIN pg_class p ON p.oid = c.confrelid JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) \
     WHERE c.contype = 'f' AND c.conrelid = to_regclass(format('public.%I', $1::text))";
pub(super) const SQLITE: &str = "SELECT \"from\", \"table\" FROM pragma_foreign_key_list($1)";

/// The columns of an index without a condition, joined by commas, and whether it is unique.
pub(super) type Index = (String, bool);

/// A column of a foreign key, and its parent.
pub(super) type Key = (String, String);

/// The tables of the platform to which an own table may refer.
const OURS: [&str; 3] = ["Request", "Task", "User"];

/// Returns each key that the entity implies and the table lacks.
pub(super) fn missing(table: &OwnTableInfo, schema: &Schema, keys: &[Key]) -> Vec<String> {
    let has = |(column, parent): &(&str, &str)| keys.iter().any(|(of, to)| of == column && to == parent);
    let lacking = wanted(table, schema).into_iter().filter(|key| !has(key));
    lacking.map(|(column, parent)| format!("missing the foreign key of {column} to {parent}")).collect()
}

/// Returns what a linking table lacks: a table with two keys and nothing else says the same twice, unless both columns
/// are unique together.
pub(super) fn unlinked(table: &OwnTableInfo, schema: &Schema, keys: &[Key], indexes: &[Index]) -> Option<String> {
    let columns: BTreeSet<_> = table.entity.columns.iter().map(|column| column.name.as_str()).collect();
    let of_keys = keys.iter().map(|(column, _)| column.as_str()).filter(|column| *column != "tenantId");
    let linked: BTreeSet<_> = wanted(table, schema).into_iter().map(|(column, _)| column).chain(of_keys).collect();
    let others = columns.iter().filter(|column| !["id", "tenantId"].contains(*column) && !linked.contains(*column));
    if linked.len() != 2 || others.count() > 0 {
        return None;
    }
    let is_once = |(columns, is_unique): &Index| {
        *is_unique && columns.split(',').all(|column| column == "tenantId" || linked.contains(column))
    };
    let names: Vec<_> = linked.iter().copied().collect();
    let missing =
        format!("missing `unique` of {}: the table links two others, and a link may occur twice", names.join(", "));
    (!indexes.iter().any(is_once)).then_some(missing)
}

fn wanted<'a>(table: &'a OwnTableInfo, schema: &'a Schema) -> BTreeSet<(&'a str, &'a str)> {
    let known = |parent: &str| OURS.contains(&parent) || schema.tables().iter().any(|own| own.name == parent);
    let relations = table.entity.references.iter().filter(|reference| known(&reference.table));
    let of_relations = relations.flat_map(|reference| {
        let columns = reference.columns.iter().filter(|column| *column != "tenantId");
        columns.map(|column| (column.as_str(), reference.table.as_str()))
    });
    let of_types = table.typed.iter().filter_map(|(column, id)| Some((*column, schema.table_of_id(*id)?)));
    of_relations.chain(of_types).collect()
}
