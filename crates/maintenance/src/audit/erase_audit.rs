//! Erasing a person from the audit log.

use rylie_entities::UserId;
use rylie_repositories::{Grant, Store, StoreExt};

use crate::error::{Error, Result};

/// Number of records erased in one transaction.
const BATCH: u64 = 1_000;

/// Erases a user from the sealed records that name the user as actor, impersonated user or target row, and returns the
/// number of records. Commitments stay, so every proof holds. Seal first: records that still wait are not erased. Free
/// text in the details of other records is not searched.
pub async fn erase_from_audit(store: &dyn Store, user: &UserId) -> Result<u64> {
    let failed = Error::doing("erasing a user from the audit log");
    let mut erased = 0;
    loop {
        // Without the user's id: the record of the erasure must not name the erased user.
        let grant = Grant::job("erase-from-audit", "a person's right to erasure").map_err(&failed)?;
        let unit = store.platform(grant).await.map_err(&failed)?;
        let records = unit.audit_seals().erase(user, BATCH).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        erased += records;
        if records < BATCH {
            return Ok(erased);
        }
    }
}
