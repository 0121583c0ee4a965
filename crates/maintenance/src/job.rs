//! Jobs of the scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_repositories::{Lease, PlatformUnit, Store};
use serde_json::Value;

use crate::error::{Error, Result};

/// A job that the scheduler runs at its due times.
///
/// A run may be interrupted at any await and repeated by another process. So a job consists of steps that commit
/// separately and do nothing the second time, or its whole effect is one unit that [`JobContext::finish`] commits.
#[async_trait]
pub trait Job: Send + Sync {
    /// Returns its name, unique among the jobs: lower-case letters and hyphens, as in `[schedule.<name>]`.
    fn name(&self) -> &'static str;

    /// Returns its default schedule: a cron expression, in UTC.
    fn cron(&self) -> &'static str;

    /// Returns the default treatment of missed due times.
    fn missed(&self) -> Missed {
        Missed::Once
    }

    /// Returns the default time limit of one run.
    fn timeout(&self) -> Duration {
        Duration::from_hours(1)
    }

    /// Does the work, and returns a few numbers as a report.
    async fn run(&self, context: &JobContext) -> Result<Value>;
}

/// The treatment of due times that no process served, or at which the previous run was still running.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Missed {
    /// They are skipped.
    Skip,
    /// One run replaces all of them.
    Once,
    /// Each gets its run, oldest first; of more than `cap` only the newest do.
    All {
        /// Maximum number of runs.
        cap: u32,
    },
}

/// The context of one run.
pub struct JobContext {
    store: Arc<dyn Store>,
    lease: Lease,
    finished: AtomicBool,
}

impl JobContext {
    /// Creates the context of a run, to test a job.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, lease: Lease) -> Self {
        Self { store, lease, finished: AtomicBool::new(false) }
    }

    /// Returns the store, which opens units of work.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns when the run was due. Every attempt has the same value, so it can be the key of an effect that must
    /// happen once.
    #[must_use]
    pub fn due(&self) -> DateTime<Utc> {
        self.lease.due
    }

    /// Returns 1, or more if the run was taken over from a process that died.
    #[must_use]
    pub fn attempt(&self) -> i64 {
        self.lease.attempt
    }

    /// Commits a unit together with the end of the run, for a job whose whole effect is one unit. The effect then
    /// happens exactly once. If this process was paused and another has taken over the run, this fails with
    /// [`Error::LeaseLost`] and nothing is committed.
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
