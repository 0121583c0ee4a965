//! What the database's catalog says of its tables, and its policies switched off and on. PostgreSQL.

use super::raw::{Raw, name};
use crate::Result;

/// Tables with a tenant's key.
pub(super) async fn tenant_tables(raw: &mut Raw) -> Result<Vec<String>> {
    raw.texts(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenantId' \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
    )
    .await
}

/// Tables with row-level security on, and whether it is forced.
pub(super) async fn walled(raw: &mut Raw) -> Result<Vec<(String, String)>> {
    raw.pairs(
        "SELECT relname::text, relforcerowsecurity::text FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relrowsecurity ORDER BY 1",
    )
    .await
}

/// No policy binds anybody any more.
pub(super) async fn switch_policies_off(raw: &mut Raw, walled: &[(String, String)]) -> Result<()> {
    for (table, _) in walled {
        let table = name(table);
        raw.run(&format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")).await?;
    }
    Ok(())
}

/// As they were.
pub(super) async fn switch_policies_on(raw: &mut Raw, walled: &[(String, String)]) -> Result<()> {
    for (table, forced) in walled {
        let force = if forced == "true" { "FORCE" } else { "NO FORCE" };
        let table = name(table);
        raw.run(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY")).await?;
    }
    Ok(())
}
