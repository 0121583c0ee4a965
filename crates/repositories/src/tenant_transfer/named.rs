//! Users of an erased tenant that rows of another tenant reference.
//!
//! Users move between agencies and their requests stay, so such references are valid, and the rows belong to the other
//! tenant. The foreign key needs the user's id; all other data of the user is removed.

use rylie_entities::{TenantId, UserId};
use sea_orm::{DbBackend, Value};

use crate::Result;
use crate::tx::Tx;

/// Columns without personal data, and columns that the statement below sets.
const KEPT: &str = "'id', 'email', 'agencyId', 'tenantId', 'createdAt', 'updatedAt'";

/// Resets the tenant's remaining users to their ids, without an agency, and returns their number.
pub(super) async fn empty(tx: &Tx, tenant: &TenantId) -> Result<u64> {
    empty_where(tx, "tenantId", tenant.into()).await
}

/// Resets one user to the id, without an agency.
pub(super) async fn empty_user(tx: &Tx, user: &UserId) -> Result<u64> {
    empty_where(tx, "id", user.into()).await
}

/// The clause of an `INSERT` by which a user who is kept as an id gets the data of the row. Any other user of that id is
/// left alone, and counts as no row.
pub(super) fn put_back(columns: &[String]) -> String {
    let assignments: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    format!(
        r#"ON CONFLICT (id) DO UPDATE SET {} WHERE "User"."tenantId" = 'user:' || "User".id AND "User".email = 'erased-' || "User".id || '@erased.invalid'"#,
        assignments.join(", ")
    )
}

async fn empty_where(tx: &Tx, column: &'static str, value: Value) -> Result<u64> {
    let assignments = defaults(tx).await?.join(", ");
    let sql = format!(
        r#"UPDATE "User" SET "agencyId" = NULL, email = 'erased-' || id || '@erased.invalid', {assignments} WHERE "{column}" = $1"#
    );
    tx.across_tenants()?.run(&sql, vec![value]).await
}

/// Returns an assignment of the default for every other column of the live table.
async fn defaults(tx: &Tx) -> Result<Vec<String>> {
    // SQLite does not support `SET … = DEFAULT`.
    let sql = match tx.engine() {
        DbBackend::Sqlite => format!(
            r#"SELECT '"' || name || '" = ' || coalesce(dflt_value, 'NULL') FROM pragma_table_info('User') WHERE name NOT IN ({KEPT})"#
        ),
        _ => format!(
            "SELECT format('%I = DEFAULT', attname) FROM pg_attribute WHERE attrelid = 'public.\"User\"'::regclass \
             AND attnum > 0 AND NOT attisdropped AND attname NOT IN ({KEPT})"
        ),
    };
    let rows = tx.across_tenants()?.rows(&sql, vec![]).await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}
