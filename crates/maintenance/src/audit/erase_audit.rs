//! Erasing a person from the audit log.

use rylie_entities::UserId;
use rylie_repositories::Store;

use crate::error::Result;
use crate::work::Work;

/// Number of records erased in one transaction.
const BATCH: u64 = 1_000;

// Without the user's id: the record of the erasure must not name the erased user.
const WORK: Work =
    Work { job: "erase-from-audit", reason: "a person's right to erasure", doing: "erasing a user from the audit log" };

/// Erases a user from the sealed records that name the user as actor, impersonated user or target row, and returns the
/// number of records. Commitments stay, so every proof holds. Seal first: records that still wait are not erased. Free
/// text in the details of other records is not searched.
///
/// Fails with [`Error::Data`](crate::Error::Data). Its source is [`MayNotSeal`](rylie_repositories::Error::MayNotSeal)
/// if the login may not assume the role `rylie_sealer`. It is [`Protected`](rylie_repositories::Error::Protected) where
/// the environment marker is production or missing.
pub async fn erase_from_audit(store: &dyn Store, user: &UserId) -> Result<u64> {
    let mut erased = 0;
    loop {
        let unit = WORK.open(store).await?;
        let records = unit.audit_seals().erase(user, BATCH).await;
        let records = unit.commit(records).await?;
        erased += records;
        if records == 0 {
            return Ok(erased);
        }
    }
}
