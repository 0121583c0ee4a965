//! Erasing one tenant completely.

use rylie_entities::TenantId;
use rylie_repositories::{Grant, Store, StoreExt, TenantCounts};

use crate::error::{Error, Result};

/// Deletes every row of the tenant permanently and returns the number of rows of each table. All or nothing in one
/// transaction; no other tenant's row changes.
///
/// Audit records stay as evidence, and the erasure is recorded. A user that a request or task of another tenant
/// references is kept as an id without personal data, and counted separately
/// ([`KEPT_USERS`](rylie_repositories::KEPT_USERS)). Refused where the environment marker is production. The erasing
/// transaction checks the marker at its end, so a marker that is set in the meantime also stops it.
pub async fn erase_tenant(store: &dyn Store, tenant: &TenantId) -> Result<TenantCounts> {
    let failed = Error::doing("erasing a tenant");
    let grant = Grant::job("erase-tenant", "to delete a tenant's data for good").map_err(&failed)?;
    let unit = store.platform(grant).await.map_err(&failed)?;
    let rows = unit.tenant_transfer().erase(tenant).await.map_err(&failed)?;
    unit.commit().await.map_err(&failed)?;
    Ok(rows)
}
