//! Closing billing periods.

use chrono::{DateTime, Utc};
use rylie_repositories::{Grant, Month, Store, StoreExt};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::sweep::Sweep;

/// Number of users closed in one transaction. Their rows are locked for its duration, some tens of milliseconds.
const BATCH: u64 = 2_500;

/// Maximum number of walks in a run: enough for a user who is a hundred years behind. The next run does the rest.
const MOST_WALKS: usize = 1_200;

/// The number of periods that were closed, or would be closed in a dry run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ClosedUsage {
    /// Closed billing periods. A user who is months behind counts for each, but once in a dry run.
    pub users: u64,
}

const DOING: &str = "closing billing periods";

/// Closes every billing period that has ended by now and returns the number of closed periods. With a month, only
/// periods that began in it, which are archived under it.
///
/// Repeated and concurrent runs close each period once. A user whose period ended months ago is closed once for every
/// month since, for a hundred years at most. Locked rows are left to the next run, or to the user's next use.
pub async fn close_usage(store: &dyn Store, month: Option<Month>, sweep: &Sweep) -> Result<ClosedUsage> {
    let failed = Error::doing(DOING);
    let unit = store.platform(grant()?).read_only().on_primary().await.map_err(&failed)?;
    let ended = unit.usage_closing().count_ended(month).await.map_err(&failed)?.min(sweep.limit());
    drop(unit);
    sweep.progress.tell(0, ended);
    if sweep.dry_run {
        return Ok(ClosedUsage { users: ended });
    }
    let mut closed = 0;
    // A walk closes one period per user. A user who is months behind needs as many walks.
    for _ in 0..MOST_WALKS {
        let before = closed;
        walk(store, month, sweep, ended, &mut closed).await?;
        if closed == before {
            break;
        }
    }
    Ok(ClosedUsage { users: closed })
}

/// Visits all users once, from the first batch to the last or to the limit.
async fn walk(store: &dyn Store, month: Option<Month>, sweep: &Sweep, ended: u64, closed: &mut u64) -> Result<()> {
    let failed = Error::doing(DOING);
    let mut last = None;
    while *closed < sweep.limit() {
        let unit = store.platform(grant()?).await.map_err(&failed)?;
        let batch = BATCH.min(sweep.limit() - *closed);
        let done = unit.usage_closing().close_ended(month, last, batch).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        *closed += done.users;
        sweep.progress.tell(*closed, ended.max(*closed));
        last = done.last;
        if last.is_none() {
            break;
        }
    }
    Ok(())
}

/// Closes the period of every user with a package, ended or not, and returns the number of closed periods. They are
/// archived under the month of `at`, and a new period of a month begins at `at`.
///
/// A period that began at `at` or later is skipped, so repeated and concurrent runs for the same `at` reset each user
/// once. If a run stops or reaches its limit, finished batches stay, and the next run for the same `at` does the rest.
///
/// It destroys the counts of current periods, which the quotas use. Call `rylie_db::Database::guard_destructive` first.
pub async fn reset_usage(store: &dyn Store, at: DateTime<Utc>, sweep: &Sweep) -> Result<ClosedUsage> {
    let failed = Error::doing("resetting everybody's usage");
    let unit = store.platform(grant()?).read_only().on_primary().await.map_err(&failed)?;
    let all = unit.usage_closing().count_everyone(at).await.map_err(&failed)?.min(sweep.limit());
    drop(unit);
    sweep.progress.tell(0, all);
    if sweep.dry_run {
        return Ok(ClosedUsage { users: all });
    }
    let (mut closed, mut last) = (ClosedUsage::default(), None);
    while closed.users < sweep.limit() {
        let unit = store.platform(grant()?).await.map_err(&failed)?;
        let batch = BATCH.min(sweep.limit() - closed.users);
        let batch = unit.usage_closing().reset_everyone(at, last, batch).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        closed.users += batch.users;
        sweep.progress.tell(closed.users, all.max(closed.users));
        last = batch.last;
        if last.is_none() {
            break;
        }
    }
    Ok(closed)
}

fn grant() -> Result<Grant> {
    Grant::job("close-usage", "closing billing periods").map_err(Error::doing(DOING))
}
