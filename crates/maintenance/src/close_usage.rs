//! Closing billing periods.

use chrono::{DateTime, Utc};
use rylie_repositories::{ClosedUsage, Grant, Month, PlatformUnit, Store, UnitOptions};

use crate::error::{Error, Result};
use crate::sweep::Sweep;

/// Users closed in one transaction: their rows are locked that long, some tens of milliseconds.
const BATCH: u64 = 1_000;

const DOING: &str = "closing billing periods";

/// Closes every billing period that has ended by now, each user's own, and returns how many were closed; with a month, only
/// those that began in it, which are archived under it.
///
/// Run twice or by several processes at once, each period is closed once. A user whose period ended months ago is
/// closed once for every month since. Rows that others hold are left to the next run, or to the user's next use.
pub async fn close_usage(store: &dyn Store, month: Option<Month>, sweep: &Sweep) -> Result<ClosedUsage> {
    let failed = Error::doing(DOING);
    let unit = enter(store, UnitOptions::read_only()).await?;
    let ended = unit.usage_closing().count_ended(month).await.map_err(&failed)?.min(sweep.limit());
    drop(unit);
    sweep.progress.tell(0, ended);
    if sweep.dry_run {
        return Ok(ClosedUsage { users: ended });
    }
    let mut closed = ClosedUsage::default();
    while closed.users < sweep.limit() {
        let unit = enter(store, UnitOptions::default()).await?;
        let batch = BATCH.min(sweep.limit() - closed.users);
        let done = unit.usage_closing().close_ended(batch, month).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        closed.users += done.users;
        sweep.progress.tell(closed.users, ended.max(closed.users));
        if done.users == 0 {
            break;
        }
    }
    Ok(closed)
}

/// Closes the period of every user with a package, ended or not: archived under the month of `at`, with a new period from
/// `at` for a month. Returns how many were closed.
///
/// A period that began at `at` or later is left alone: run twice or by several processes at once for the same `at`,
/// each user is reset once. Batches that were done stay done when it is stopped, and the next run for the same `at`
/// does the rest.
pub async fn reset_usage(store: &dyn Store, at: DateTime<Utc>) -> Result<ClosedUsage> {
    let failed = Error::doing("resetting everybody's usage");
    let (mut closed, mut last) = (ClosedUsage::default(), None);
    loop {
        let unit = enter(store, UnitOptions::default()).await?;
        let batch = unit.usage_closing().reset_everyone(at, last, BATCH).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        closed.users += batch.users;
        last = batch.last;
        if last.is_none() {
            return Ok(closed);
        }
    }
}

async fn enter(store: &dyn Store, options: UnitOptions) -> Result<Box<dyn PlatformUnit>> {
    let grant = Grant::job("close-usage", "closing billing periods").map_err(Error::doing(DOING))?;
    store.platform_with(grant, options).await.map_err(Error::doing(DOING))
}
