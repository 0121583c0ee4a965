//! Closing billing periods.

use chrono::{DateTime, Utc};
use rylie_repositories::{Month, Store};
use serde::Serialize;

use crate::error::Result;
use crate::sweep::Sweep;
use crate::work::Work;

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

/// Closes every billing period that has ended by now and returns the number of closed periods. With a month, only
/// periods that began in it, which are archived under it.
///
/// Repeated and concurrent runs close each period once. A user whose period ended months ago is closed once for every
/// month since, for a hundred years at most. Locked rows are left to the next run, or to the user's next use.
pub async fn close_usage(store: &dyn Store, month: Option<Month>, sweep: &Sweep) -> Result<ClosedUsage> {
    let unit = work("closing billing periods").read(store).await?;
    let ended = unit.done(unit.usage_closing().count_ended(month).await)?.min(sweep.limit());
    drop(unit);
    sweep.progress.report(0, ended);
    if sweep.dry_run {
        return Ok(ClosedUsage { users: ended });
    }
    // Visits all users once, from the first batch to the last or to the limit.
    let close = |batch, last| async move {
        let unit = work("closing billing periods").open(store).await?;
        let done = unit.usage_closing().close_ended(month, last, batch).await;
        unit.commit(done.map(|done| (done.users, done.last))).await
    };
    let mut closed = 0;
    // A walk closes one period per user. A user who is months behind needs as many walks.
    for _ in 0..MOST_WALKS {
        let before = closed;
        closed = sweep.batches(BATCH, ended, (closed, sweep.limit()), close).await?;
        if closed == before {
            break;
        }
    }
    Ok(ClosedUsage { users: closed })
}

/// Closes the period of every user with a package, ended or not, and returns the number of closed periods. They are
/// archived under the month of `at`, and a new period of a month begins at `at`.
///
/// A period that began at `at` or later is skipped, so repeated and concurrent runs for the same `at` reset each user
/// once. If a run stops or reaches its limit, finished batches stay, and the next run for the same `at` does the rest.
///
/// It destroys the counts of current periods, which the quotas use. Call `rylie_db::Database::guard_destructive` first.
pub async fn reset_usage(store: &dyn Store, at: DateTime<Utc>, sweep: &Sweep) -> Result<ClosedUsage> {
    let unit = work("resetting the usage of all users").read(store).await?;
    let all = unit.done(unit.usage_closing().count_everyone(at).await)?.min(sweep.limit());
    drop(unit);
    sweep.progress.report(0, all);
    if sweep.dry_run {
        return Ok(ClosedUsage { users: all });
    }
    let reset = |batch, last| async move {
        let unit = work("resetting the usage of all users").open(store).await?;
        let done = unit.usage_closing().reset_everyone(at, last, batch).await;
        unit.commit(done.map(|done| (done.users, done.last))).await
    };
    let users = sweep.batches(BATCH, all, (0, sweep.limit()), reset).await?;
    Ok(ClosedUsage { users })
}

fn work(doing: &'static str) -> Work {
    Work { job: "close-usage", reason: "closing billing periods", doing }
}
