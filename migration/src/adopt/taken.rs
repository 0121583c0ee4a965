//! Names that the adoption needs and that other objects have.

use rylie_driver::literal;

use super::{Catalog, Difference};
use crate::connection::Connection;
use crate::drift::Snapshot;
use crate::error::Result;

/// Returns views, sequences, types and other objects with the name of a table, an index or a sequence of ours. A migration
/// would stop at it, or take it for its own. Tables and indexes are compared as such.
pub(super) async fn names(connection: &mut Connection) -> Result<Vec<Difference>> {
    let (base, expected) = (Catalog::base(), Snapshot::expected());
    let of_tables = expected.tables.iter().flat_map(|(name, table)| table.indexes.keys().chain([name]));
    let is_ours =
        |name: &&String| base.tables.iter().all(|(table, old)| *name != table && !old.indexes.contains_key(*name));
    let names: Vec<String> =
        of_tables.chain(expected.sequences.keys()).filter(is_ours).map(|name| literal(name)).collect();
    let sql = format!(
        "SELECT json_build_object('object', pg_describe_object('pg_class'::regclass, oid, 0), 'expected', 'this name to be free; rename or drop it', \
         'found', 'an object that is not ours', 'blocking', true)::text FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('r', 'p', 'i', 'I') AND relname IN ({}) ORDER BY relname",
        names.join(", ")
    );
    connection.documents(&sql, "looking for names that the adoption needs").await
}
