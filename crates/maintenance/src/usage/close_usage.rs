//! Closing billing periods.

use chrono::{DateTime, Utc};
use rylie_entities::UserId;
use rylie_repositories::{ClosedBatch, Month, PlatformUnit, Store};
use serde::Serialize;

use crate::error::Result;
use crate::sweep::{Processed, Sweep};
use crate::work::{JobUnit, Work};

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
    Closing::Ended(month).run(store, sweep).await
}

/// Closes the period of every user with a package, ended or not, and returns the number of closed periods. They are
/// archived under the month of `at`, and a new period of a month begins at `at`.
///
/// A period that began at `at` or later is skipped, so repeated and concurrent runs for the same `at` reset each user
/// once. If a run stops or reaches its limit, finished batches stay, and the next run for the same `at` does the rest.
///
/// It destroys the counts of current periods, which the quotas use. Call `rylie_db::Database::guard_destructive` first.
pub async fn reset_usage(store: &dyn Store, at: DateTime<Utc>, sweep: &Sweep) -> Result<ClosedUsage> {
    Closing::Everyone(at).run(store, sweep).await
}

#[derive(Clone, Copy)]
enum Closing {
    Ended(Option<Month>),
    Everyone(DateTime<Utc>),
}

impl Closing {
    /// Closes the periods, one batch per transaction.
    async fn run(self, store: &dyn Store, sweep: &Sweep) -> Result<ClosedUsage> {
        if sweep.dry_run {
            let unit = self.work().read(store).await?;
            let users = self.count(&unit).await?.min(sweep.limit());
            sweep.progress.report(0, users);
            return Ok(ClosedUsage { users });
        }
        let mut closed = Processed::none(sweep);
        // A walk visits all users once and closes one period of each. A user who is months behind needs as many walks.
        for _ in 0..MOST_WALKS {
            let (mut last, mut is_behind) = (None, false);
            while closed.left() > 0 {
                let unit = self.work().open(store).await?;
                // No row is locked yet.
                if closed.needs_count() {
                    closed.counted(self.count(&unit).await?);
                }
                let batch = BATCH.min(closed.left());
                let done = self.close(&unit, last, batch).await;
                let done = unit.commit(done).await?;
                let is_last = done.users < batch;
                closed.add(done.users, is_last);
                is_behind |= done.behind;
                last = done.last;
                if is_last {
                    break;
                }
            }
            if !is_behind || closed.left() == 0 {
                break;
            }
        }
        Ok(ClosedUsage { users: closed.rows() })
    }

    async fn count(self, unit: &JobUnit<dyn PlatformUnit>) -> Result<u64> {
        let closing = unit.usage_closing();
        unit.done(match self {
            Self::Ended(month) => closing.count_ended(month).await,
            Self::Everyone(at) => closing.count_everyone(at).await,
        })
    }

    async fn close(
        self,
        unit: &JobUnit<dyn PlatformUnit>,
        after: Option<UserId>,
        batch: u64,
    ) -> rylie_repositories::Result<ClosedBatch> {
        let closing = unit.usage_closing();
        match self {
            Self::Ended(month) => closing.close_ended(month, after, batch).await,
            Self::Everyone(at) => closing.reset_everyone(at, after, batch).await,
        }
    }

    fn work(self) -> Work {
        let doing = match self {
            Self::Ended(_) => "closing billing periods",
            Self::Everyone(_) => "resetting the usage of all users",
        };
        Work { job: "close-usage", reason: "closing billing periods", doing }
    }
}
