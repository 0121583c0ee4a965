//! What the scheduler runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_repositories::{Lease, PlatformUnit, Store};
use serde_json::Value;

use crate::error::{Error, Result};

/// A piece of work that the scheduler runs when it is due.
///
/// A run may be cut short at any await and done again by another process, so a job is built of steps that each commit
/// by themselves and that do nothing the second time; or its whole effect is one unit, ended by [`JobContext::finish`].
#[async_trait]
pub trait Job: Send + Sync {
    /// Its name, unique among the jobs: small letters and hyphens, as in `[schedule.<name>]`.
    fn name(&self) -> &'static str;

    /// When it runs unless the settings say otherwise: a cron expression, in UTC.
    fn cron(&self) -> &'static str;

    /// What happens to due times that nobody was there for; unless the settings say otherwise.
    fn missed(&self) -> Missed {
        Missed::Once
    }

    /// The longest time for one run; unless the settings say otherwise.
    fn timeout(&self) -> Duration {
        Duration::from_hours(1)
    }

    /// Does the work, and tells in a few numbers what was done.
    async fn run(&self, context: &JobContext) -> Result<Value>;
}

/// What happens to due times at which no process was there, or the job's run before was still under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missed {
    /// They are left out.
    Skip,
    /// One run makes up for all of them.
    Once,
    /// Each gets its run, the oldest first; of more than `cap` only the newest do.
    All {
        /// How many at the most.
        cap: u32,
    },
}

/// One run, as the job sees it.
pub struct JobContext {
    store: Arc<dyn Store>,
    lease: Lease,
    finished: AtomicBool,
}

impl JobContext {
    /// A run of a job, for a test of that job.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, lease: Lease) -> Self {
        Self { store, lease, finished: AtomicBool::new(false) }
    }

    /// The doors to the data.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// When the run was due. The same in each attempt, so it can serve as a key for what must be done once.
    #[must_use]
    pub fn due(&self) -> DateTime<Utc> {
        self.lease.due
    }

    /// 1, or more when the run was taken over from a process that died.
    #[must_use]
    pub fn attempt(&self) -> i64 {
        self.lease.attempt
    }

    /// Commits a unit together with the mark that the run is done: for a job whose whole effect is one unit. The effect
    /// then takes place exactly once, also if this process was paused and another has taken the run over meanwhile:
    /// [`Error::LeaseLost`] here, and nothing is committed.
    pub async fn finish(&self, unit: Box<dyn PlatformUnit>) -> Result<()> {
        let failed = Error::doing("committing a run of a job");
        if !unit.job_runs().finish(&self.lease, None).await.map_err(&failed)? {
            return Err(Error::LeaseLost);
        }
        unit.commit().await.map_err(&failed)?;
        self.finished.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }
}
