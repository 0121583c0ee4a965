//! Erasing one tenant, whole.

use rylie_entities::TenantId;
use rylie_repositories::{Grant, Store, StoreExt, TenantCounts};

use crate::error::{Error, Result};

/// Deletes every row of the tenant for good, and returns how many of each table. In one transaction: all or nothing, and no
/// other tenant's row is touched.
///
/// Audit records stay, as evidence, and this is recorded. A user whom a request or task of another tenant names is kept as an
/// id without personal data, and counted apart ([`KEPT_USERS`](rylie_repositories::KEPT_USERS)). Refused where the database is
/// marked as production: the mark is asked in the transaction that erases, at its end, so that one set meanwhile stops it.
pub async fn erase_tenant(store: &dyn Store, tenant: &TenantId) -> Result<TenantCounts> {
    let failed = Error::doing("erasing a tenant");
    let grant = Grant::job("erase-tenant", "to delete a tenant's data for good").map_err(&failed)?;
    let unit = store.platform(grant).await.map_err(&failed)?;
    let rows = unit.tenant_transfer().erase(tenant).await.map_err(&failed)?;
    unit.commit().await.map_err(&failed)?;
    Ok(rows)
}
