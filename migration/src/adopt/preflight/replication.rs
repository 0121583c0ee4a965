//! Subscribers of the tables that an adoption changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{DOING, PreflightFinding};
use crate::adopt::Catalog;
use crate::connection::Connection;
use crate::error::Result;
use crate::migrations::base_tables_list;

/// A table of the base that a publication sends with all its columns.
#[derive(Debug, Deserialize)]
struct Sent {
    publication: String,
    table: String,
}

/// A publication with a list of columns sends no new one.
const SENT: &str = "SELECT json_build_object('publication', quote_ident(t.pubname), 'table', t.tablename)::text \
     FROM pg_publication_tables t JOIN pg_publication p ON p.pubname = t.pubname \
     LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = to_regclass(format('public.%I', t.tablename)) \
     WHERE t.schemaname = 'public' AND t.tablename IN ($tables) AND r.prattrs IS NULL ORDER BY t.pubname, t.tablename";

const SLOTS: &str = "SELECT json_build_object('id', 'replication-slot', 'blocking', false, \
     'detail', format('the logical slot %I (%s, %s) gets every row that is filled, and keeps the write-ahead log until its consumer confirms it', \
       slot_name, plugin, CASE WHEN active THEN 'in use' ELSE 'not in use' END), \
     'fix', CASE WHEN active THEN 'see that its consumer keeps up, and that it accepts new columns' \
       ELSE format('start its consumer, or drop it: `SELECT pg_drop_replication_slot(%L)`', slot_name) END)::text \
     FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database() ORDER BY slot_name";

/// Returns one finding for each publication and each logical slot.
pub(super) async fn read(connection: &mut Connection) -> Result<Vec<PreflightFinding>> {
    let sent: Vec<Sent> = connection.documents(&SENT.replace("$tables", &base_tables_list()), DOING).await?;
    let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Sent { publication, table } in &sent {
        tables.entry(publication).or_default().insert(table);
    }
    let (base, current) = (Catalog::base(), Catalog::current());
    let mut findings: Vec<PreflightFinding> =
        tables.iter().map(|(publication, tables)| finding(publication, tables, &base, &current)).collect();
    let slots: Vec<PreflightFinding> = connection.documents(SLOTS, DOING).await?;
    findings.extend(slots);
    Ok(findings)
}

fn finding(publication: &str, tables: &BTreeSet<&str>, base: &Catalog, current: &Catalog) -> PreflightFinding {
    let names: Vec<&str> = tables.iter().copied().collect();
    let columns = tables.iter().filter_map(|table| added(table, base, current));
    let columns: Vec<String> = columns.collect();
    PreflightFinding {
        id: "publication".to_owned(),
        blocking: false,
        detail: format!(
            "publication {publication} sends {}: a subscriber without the new columns stops, and its slot then keeps the write-ahead log",
            names.join(", ")
        ),
        fix: format!("first run on each subscriber: `{}`", columns.join("; ")),
    }
}

/// Returns the statement that adds the columns which the adoption adds to a table. They may be null: the publisher sends
/// rows before it fills them.
fn added(table: &str, base: &Catalog, current: &Catalog) -> Option<String> {
    let before = &base.tables.get(table)?.columns;
    let columns = current.tables.get(table)?.columns.iter().filter(|(name, _)| !before.contains_key(*name));
    let columns: Vec<String> =
        columns.map(|(name, column)| format!("ADD COLUMN IF NOT EXISTS \"{name}\" {}", column.kind)).collect();
    (!columns.is_empty()).then(|| format!("ALTER TABLE \"{table}\" {}", columns.join(", ")))
}
