//! Closing the billing periods that have ended.

use rylie_repositories::{ClosedUsage, Grant, Store};

use crate::error::{Error, Result};

/// Users closed in one transaction: their rows are locked that long, some tens of milliseconds.
const BATCH: u64 = 1_000;

/// Closes every billing period that has ended by now, each user's own, and returns how many were closed.
///
/// Run twice or by several processes at once, each period is closed once. A user whose period ended months ago is
/// closed once for every month since.
pub async fn close_usage(store: &dyn Store) -> Result<ClosedUsage> {
    let failed = Error::doing("closing billing periods");
    let mut closed = ClosedUsage::default();
    loop {
        let grant = Grant::job("close-usage", "billing periods that have ended").map_err(&failed)?;
        let unit = store.platform(grant).await.map_err(&failed)?;
        let batch = unit.usage_closing().close_ended(BATCH).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        closed.users += batch.users;
        if batch.users == 0 {
            return Ok(closed);
        }
    }
}
