//! Erasing one tenant completely.

use rylie_entities::TenantId;
use rylie_repositories::{Store, TenantCounts};

use crate::error::Result;
use crate::work::Work;

const WORK: Work =
    Work { job: "erase-tenant", reason: "to delete a tenant's data for good", doing: "erasing a tenant" };

/// Deletes every row of the tenant permanently and returns the number of rows of each table. All or nothing in one
/// transaction; no other tenant's row changes.
///
/// Audit records stay as evidence, and the erasure is recorded. A user that a request or task of another tenant
/// references is kept as an id without personal data, and counted separately
/// ([`KEPT_USERS`](rylie_repositories::KEPT_USERS)). Refused where the environment marker is production. The erasing
/// transaction checks the marker at its end, so a marker that is set in the meantime also stops it.
///
/// Fails with [`Error::Data`](crate::Error::Data): its source is [`NotFound`](rylie_repositories::Error::NotFound)
/// without such a tenant, and [`Protected`](rylie_repositories::Error::Protected) if the marker refuses.
pub async fn erase_tenant(store: &dyn Store, tenant: &TenantId) -> Result<TenantCounts> {
    let unit = WORK.open(store).await?;
    let rows = unit.tenant_transfer().erase(tenant).await;
    unit.commit(rows).await
}
