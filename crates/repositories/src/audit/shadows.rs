//! Functions and operators that the server would call in place of its own.
//!
//! PostgreSQL prefers a function whose argument types match exactly to a polymorphic one, whatever the order of the search
//! path (the class of CVE-2018-1058). So the owner of the tables could have `public.to_jsonb(timestamp)` answer a
//! verification. Checks run without schema `public` in the path, and name what stands there.

use crate::Result;
use crate::audit::rows::lenient;
use crate::tx::Tx;

/// The functions that a verification calls. A test compares them with the statements that it sends.
const CALLED: [&str; 22] = [
    "array_agg",
    "bool_or",
    "convert_to",
    "count",
    "current_setting",
    "format",
    "generate_series",
    "isfinite",
    "jsonb_array_elements",
    "jsonb_typeof",
    "length",
    "max",
    "min",
    "octet_length",
    "replace",
    "row_number",
    "sha256",
    "string_agg",
    "substr",
    "sum",
    "to_jsonb",
    "unnest",
];

/// Selects one such object. Code in C belongs to an extension: only a superuser creates it.
const SHADOWS: &str = "SELECT shadow FROM (SELECT 'function ' || p.oid::regprocedure::text, p.prolang FROM pg_proc p \
     WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY ('{called}'::name[]) \
     UNION ALL SELECT 'operator ' || o.oid::regoperator::text, p.prolang FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode \
     WHERE o.oprnamespace = 'public'::regnamespace) AS found (shadow, lang) \
     JOIN pg_language l ON l.oid = found.lang WHERE l.lanname <> 'c' ORDER BY 1 LIMIT 1";

/// The path of the checks, and the one of the reads that follow them.
pub(super) const OF_CHECKS: &str = "pg_catalog, pg_temp";
pub(super) const OF_READS: &str = "pg_catalog, public, pg_temp";

/// Sets the transaction's search path, and lets no constraint count as evidence. PostgreSQL.
pub(super) async fn search(tx: &Tx, path: &str) -> Result<()> {
    // A false constraint that counts as valid would let the planner leave out rows.
    let sql = format!(
        "SELECT pg_catalog.set_config('search_path', '{path}', true), pg_catalog.set_config('constraint_exclusion', 'off', true)"
    );
    tx.across_tenants()?.rows(&sql, vec![]).await.map(drop)
}

/// Returns the first object that would be called in place of the server's own. PostgreSQL.
pub(super) async fn first(tx: &Tx) -> Result<Option<String>> {
    let sql = SHADOWS.replace("{called}", &format!("{{{}}}", CALLED.join(",")));
    let found = tx.across_tenants()?.rows(&sql, vec![]).await?;
    Ok(found.first().map(|row| lenient(row, "shadow")))
}
