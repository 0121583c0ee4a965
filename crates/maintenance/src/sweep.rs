//! Common parts of the jobs that process many rows in batches.

mod purge_deleted;
mod remove_expired;

use std::time::Duration;

use rylie_repositories::{Grant, Kept, Progress, Store, StoreExt};

use crate::error::{Error, Result};

pub use purge_deleted::{PurgedDeleted, purge_deleted};
pub use remove_expired::{RemovedExpired, remove_expired};

/// The options of such a job.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Only counts the rows.
    pub dry_run: bool,
    /// Stops after this number of rows.
    pub limit: Option<u64>,
    /// Receives, after each batch, the number of processed rows and the total.
    pub progress: Progress,
}

impl Sweep {
    pub(crate) fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }
}

/// A removal of expired rows, and the job that does it.
pub(crate) struct Removal {
    pub(crate) what: Kept,
    /// How long rows are kept after they expired.
    pub(crate) age: Duration,
    /// Number of rows deleted in one transaction.
    pub(crate) batch: u64,
    /// The job's name and its reason to work across tenants.
    pub(crate) job: (&'static str, &'static str),
    pub(crate) doing: &'static str,
}

impl Removal {
    /// Removes the expired rows, one batch per transaction. Returns the number of rows, in a dry run without removing
    /// them.
    pub(crate) async fn run(&self, store: &dyn Store, sweep: &Sweep) -> Result<u64> {
        let ended = self.count(store).await?.min(sweep.limit());
        sweep.progress.tell(0, ended);
        if sweep.dry_run {
            return Ok(ended);
        }
        let mut removed = 0;
        while removed < ended {
            let batch = self.batch.min(sweep.limit() - removed);
            let done = self.remove(store, batch).await?;
            removed += done;
            sweep.progress.tell(removed, ended.max(removed));
            if done < batch {
                break;
            }
        }
        Ok(removed)
    }

    async fn count(&self, store: &dyn Store) -> Result<u64> {
        let failed = Error::doing(self.doing);
        let unit = store.platform(self.grant()?).read_only().on_primary().await.map_err(&failed)?;
        unit.expiry().count(self.what, self.age).await.map_err(&failed)
    }

    async fn remove(&self, store: &dyn Store, batch: u64) -> Result<u64> {
        let failed = Error::doing(self.doing);
        let unit = store.platform(self.grant()?).await.map_err(&failed)?;
        let removed = unit.expiry().remove(self.what, self.age, batch).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        Ok(removed)
    }

    fn grant(&self) -> Result<Grant> {
        let (name, reason) = self.job;
        Grant::job(name, reason).map_err(Error::doing(self.doing))
    }
}
