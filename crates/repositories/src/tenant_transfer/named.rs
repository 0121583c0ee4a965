//! Users of an erased tenant whom rows of another tenant name.
//!
//! Users move between agencies and their requests stay, so such rows are in order, and they are not ours to change. The foreign
//! key needs the user's id: everything else of the user goes.

use rylie_entities::{TenantId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Value};

use super::query_all;
use crate::Result;
use crate::tx::Tx;

/// Columns of which nothing is personal, or which are set below.
const KEPT: &str = "'id', 'email', 'agencyId', 'tenantId', 'createdAt', 'updatedAt'";

/// Leaves of the tenant's remaining users their ids and no agency; how many there were.
pub(super) async fn empty(tx: &Tx, tenant: &TenantId) -> Result<u64> {
    empty_where(tx, "tenantId", tenant.into()).await
}

/// Leaves of one user the id, and no agency.
pub(super) async fn empty_user(tx: &Tx, user: &UserId) -> Result<u64> {
    empty_where(tx, "id", user.into()).await
}

async fn empty_where(tx: &Tx, column: &'static str, value: Value) -> Result<u64> {
    let assignments = defaults(tx).await?.join(", ");
    let sql = format!(
        r#"UPDATE "User" SET "agencyId" = NULL, email = 'erased-' || id || '@erased.invalid', {assignments} WHERE "{column}" = $1"#
    );
    tx.run_across_tenants(&sql, vec![value]).await
}

/// Every other column that the live table has, set to its default.
async fn defaults(tx: &Tx) -> Result<Vec<String>> {
    let connection = tx.across_tenants()?;
    // SQLite knows no `SET … = DEFAULT`.
    let sql = match connection.get_database_backend() {
        DbBackend::Sqlite => format!(
            r#"SELECT '"' || name || '" = ' || coalesce(dflt_value, 'NULL') FROM pragma_table_info('User') WHERE name NOT IN ({KEPT})"#
        ),
        _ => format!(
            "SELECT format('%I = DEFAULT', attname) FROM pg_attribute WHERE attrelid = 'public.\"User\"'::regclass \
             AND attnum > 0 AND NOT attisdropped AND attname NOT IN ({KEPT})"
        ),
    };
    let rows = query_all(&connection, &sql, []).await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}
