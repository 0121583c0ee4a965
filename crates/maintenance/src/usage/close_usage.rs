//! Closing billing periods.

use chrono::{DateTime, Utc};
use rylie_repositories::{Grant, Month, Store, StoreExt};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::sweep::Sweep;

/// Users closed in one transaction: their rows are locked that long, some tens of milliseconds.
const BATCH: u64 = 2_500;

/// Walks a run: those of a user who is a hundred years behind. What is left is for the next run.
const MOST_WALKS: usize = 1_200;

/// What closing did, or would do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ClosedUsage {
    /// Billing periods that were closed; a user who is months behind counts for each, and once in a dry run.
    pub users: u64,
}

const DOING: &str = "closing billing periods";

/// Closes every billing period that has ended by now, each user's own, and returns how many were closed; with a month, only
/// those that began in it, which are archived under it.
///
/// Run twice or by several processes at once, each period is closed once. A user whose period ended months ago is
/// closed once for every month since, for a hundred years of them at most. Rows that others hold are left to the next run, or to the user's next use.
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
    // A walk closes one period of each user; who is months behind takes as many walks.
    for _ in 0..MOST_WALKS {
        let before = closed;
        walk(store, month, sweep, ended, &mut closed).await?;
        if closed == before {
            break;
        }
    }
    Ok(ClosedUsage { users: closed })
}

/// Once over all users, from the first batch to the last or to the limit.
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

/// Closes the period of every user with a package, ended or not: archived under the month of `at`, with a new period from
/// `at` for a month. Returns how many were closed.
///
/// A period that began at `at` or later is left alone: run twice or by several processes at once for the same `at`,
/// each user is reset once. Batches that were done stay done when it is stopped or at its limit, and the next run for the
/// same `at` does the rest.
///
/// It destroys what the periods under way have counted for the quota: ask
/// `rylie_db::Database::guard_destructive` first.
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
