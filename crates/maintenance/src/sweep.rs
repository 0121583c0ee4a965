//! What the jobs that work through many rows have in common.

mod purge_deleted;
mod remove_expired;

use std::time::Duration;

use rylie_repositories::{Kept, Progress, Store};

use crate::error::Result;
use crate::work::Work;

pub use purge_deleted::{PurgedDeleted, purge_deleted};
pub use remove_expired::{RemovedExpired, remove_expired};

/// How a job works through its rows.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Only counts what would be done.
    pub dry_run: bool,
    /// Stops after so many rows.
    pub limit: Option<u64>,
    /// Is told, after each batch, how many rows are done and of how many.
    pub progress: Progress,
}

impl Sweep {
    pub(crate) fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    /// Works in batches of at most `size` rows, from `done` rows on and until `end`, or until a step returns no place from
    /// which the next goes on. Returns how many rows are done; reports them as so many of `counted`.
    pub(crate) async fn batches<P, F: Future<Output = Result<(u64, Option<P>)>>>(
        &self,
        size: u64,
        counted: u64,
        (mut done, end): (u64, u64),
        step: impl Fn(u64, Option<P>) -> F,
    ) -> Result<u64> {
        let mut next = None;
        while done < end {
            let rows;
            (rows, next) = step(size.min(self.limit() - done), next).await?;
            done += rows;
            self.progress.tell(done, counted.max(done));
            if next.is_none() {
                break;
            }
        }
        Ok(done)
    }
}

/// Rows that a job removes, and in whose name.
pub(crate) struct Removal {
    pub(crate) what: Kept,
    /// How long they are kept after they ended.
    pub(crate) age: Duration,
    /// Rows deleted in one transaction.
    pub(crate) batch: u64,
    pub(crate) work: Work,
}

impl Removal {
    /// Removes what has ended, a batch a transaction; returns how many rows, or would be in a dry run.
    pub(crate) async fn run(&self, store: &dyn Store, sweep: &Sweep) -> Result<u64> {
        let unit = self.work.read(store).await?;
        let ended = unit.done(unit.expiry().count(self.what, self.age).await)?.min(sweep.limit());
        drop(unit);
        sweep.progress.tell(0, ended);
        if sweep.dry_run {
            return Ok(ended);
        }
        let remove = |batch, _| async move {
            let unit = self.work.open(store).await?;
            let removed = unit.expiry().remove(self.what, self.age, batch).await;
            let removed = unit.commit(removed).await?;
            Ok((removed, (removed == batch).then_some(())))
        };
        sweep.batches(self.batch, ended, (0, ended), remove).await
    }
}
