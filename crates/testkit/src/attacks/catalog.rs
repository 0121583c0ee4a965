//! Reads the database catalog, and disables and enables policies. PostgreSQL only.

use super::raw::{Raw, name};
use crate::Result;

/// Lists the tables with a tenant key.
pub(super) async fn tenant_tables(raw: &mut Raw) -> Result<Vec<String>> {
    raw.texts(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenantId' \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
    )
    .await
}

/// A foreign key between two tenant-owned tables.
pub(super) struct ForeignKey {
    pub(super) table: String,
    /// The column that references the parent. The foreign key may also contain the tenant key.
    pub(super) column: String,
    pub(super) parent: String,
}

/// Lists every foreign key between two tables with a tenant key.
pub(super) async fn foreign_keys(raw: &mut Raw) -> Result<Vec<ForeignKey>> {
    let sql = "SELECT DISTINCT concat_ws(chr(31), c.relname, a.attname, p.relname) FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey) AND a.attname <> 'tenantId' \
         WHERE k.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND p.relnamespace = 'public'::regnamespace \
         AND NOT c.relispartition AND NOT p.relispartition \
         AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenantId') \
         AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = p.oid AND t.attname = 'tenantId') ORDER BY 1";
    let keys = raw.texts(sql).await?;
    let parts = keys.iter().map(|key| key.splitn(3, '\u{1f}').map(str::to_owned).collect::<Vec<_>>());
    let read = |parts: Vec<String>| {
        let [table, column, parent] = parts.try_into().ok()?;
        Some(ForeignKey { table, column, parent })
    };
    Ok(parts.filter_map(read).collect())
}

/// Lists the tables with row-level security enabled, and whether it is forced.
pub(super) async fn protected(raw: &mut Raw) -> Result<Vec<(String, String)>> {
    raw.pairs(
        "SELECT relname::text, relforcerowsecurity::text FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relrowsecurity ORDER BY 1",
    )
    .await
}

/// Disables all policies of these tables.
pub(super) async fn switch_policies_off(raw: &mut Raw, protected: &[(String, String)]) -> Result<()> {
    for (table, _) in protected {
        let table = name(table);
        raw.run(&format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")).await?;
    }
    Ok(())
}

/// Enables the policies again, forced where they were.
pub(super) async fn switch_policies_on(raw: &mut Raw, protected: &[(String, String)]) -> Result<()> {
    for (table, forced) in protected {
        let force = if forced == "true" { "FORCE" } else { "NO FORCE" };
        let table = name(table);
        raw.run(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY")).await?;
    }
    Ok(())
}
