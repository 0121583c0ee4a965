//! Checks a service's own tables: what the catalog says, part by part.

mod catalog;
mod keys;
mod labels;
mod of_unit;
mod rows;

use rylie_db::entities::table;
use rylie_db::own::{OwnTable, Schema};

use crate::{Result, World};

pub use of_unit::tables;
pub use rows::OwnRows;

/// Asserts that nothing of the protection of any table in the world's [`Schema`] is missing.
///
/// # Panics
///
/// Panics as [`assert_isolated`] does, with the parts of all tables.
#[expect(clippy::unwrap_used, reason = "an assertion")]
pub async fn assert_all_isolated(world: &World) {
    let mut found = Vec::new();
    for table in schema(world).tables() {
        let missing = catalog::problems(world, table).await.unwrap();
        found.extend(missing.into_iter().map(|part| (table.name, part)));
    }
    found.extend(drifted(world).await);
    assert_none(&found);
}

/// Asserts that nothing of an own table's protection is missing.
///
/// # Panics
///
/// Panics with the name of each part that is missing or differs, a line each: table, column, tenant key, check, labels of
/// an enumeration, index, foreign key, policy, forced flag or grant. Panics also where the schema differs from its
/// migrations.
#[expect(clippy::unwrap_used, reason = "an assertion")]
pub async fn assert_isolated<E: OwnTable>(world: &World) {
    let mut found: Vec<_> = problems::<E>(world).await.unwrap().into_iter().map(|part| (E::TABLE, part)).collect();
    found.extend(drifted(world).await.into_iter().filter(|(table, _)| *table == E::TABLE));
    assert_none(&found);
}

fn assert_none(found: &[(&str, String)]) {
    let lines: Vec<_> = found.iter().map(|(table, part)| format!("{table}: {part}")).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Returns what of the own tables differs from their migrations, each with its table.
#[expect(clippy::unwrap_used, reason = "an assertion")]
async fn drifted(world: &World) -> Vec<(&str, String)> {
    let drift = world.database().migrations().await.unwrap().drift().await.unwrap();
    let tables: Vec<_> = schema(world).tables().iter().map(|table| table.name).collect();
    let differing = drift.differences.iter().map(|difference| (&difference.object, difference.to_string()));
    let extra = drift.extra.iter().map(|object| (object, format!("the migrations do not make {object}")));
    let of_own = differing.chain(extra).filter_map(|(object, text)| Some((table_of(object, &tables)?, text)));
    let pending = drift.pending.into_iter().map(|name| ("the schema", format!("the migration {name} is pending")));
    of_own.chain(pending).collect()
}

/// Returns the own table to which an object belongs: `column Note.title`, `rights of PUBLIC on table Note`. On SQLite the
/// name of an index or a trigger begins with its table's; on PostgreSQL those of functions contain it.
fn table_of<'a>(object: &str, tables: &[&'a str]) -> Option<&'a str> {
    let words = || object.split_whitespace().map(|word| word.trim_start_matches("public.").trim_matches('"'));
    let is_of = |table: &str| {
        let functions = ["by_id(", "visible_"].map(|rest| format!("own_{}_{rest}", table.to_lowercase()));
        words().any(|word| {
            let rest = word.strip_prefix(table);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_', '"']))
                || functions.iter().any(|function| word.starts_with(function))
        })
    };
    tables.iter().copied().filter(|table| is_of(table)).max_by_key(|table| table.len())
}

pub(crate) fn schema(world: &World) -> &Schema {
    world.database().config().schema()
}

/// Returns what is missing of an own table's protection, each part by its name.
pub async fn problems<E: OwnTable>(world: &World) -> Result<Vec<String>> {
    match schema(world).tables().iter().find(|known| known.name == E::TABLE) {
        Some(known) => {
            let mut known = known.clone();
            known.entity = table::<E>();
            catalog::problems(world, &known).await
        }
        None => Ok(vec!["the `Schema` of the configuration does not name the entity".to_owned()]),
    }
}

#[cfg(test)]
mod tests {
    use super::table_of;

    #[test]
    fn an_object_belongs_to_the_table_that_it_names() {
        let tables = ["Label", "Note", "NoteLabel"];
        for (object, table) in [
            ("constraint NoteLabel.NoteLabel_labelId_tenantId_fkey", Some("NoteLabel")),
            ("index NoteLabel_id_tenantId_key", Some("NoteLabel")),
            ("trigger Note_authorId_visible_insert", Some("Note")),
            ("column Label.name", Some("Label")),
            ("table Label", Some("Label")),
            ("rights of rylie_tenant on table Note", Some("Note")),
            ("function own_notelabel_by_id(text,text[])", Some("NoteLabel")),
            ("function own_note_visible_authorid()", Some("Note")),
            ("owner of index public.\"Label_pkey\"", Some("Label")),
            ("column Request.note", None),
            ("table NoteLabels", None),
        ] {
            assert_eq!(table_of(object, &tables), table, "{object}");
        }
    }
}
