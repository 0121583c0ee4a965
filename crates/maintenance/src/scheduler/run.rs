//! One run: the work, its lease, its time limit, and the record of its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use metrics::{Unit, describe_counter, describe_histogram};
use rylie_repositories::{Lease, Retry, RunStatus, StoreExt, retry};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::{Scheduled, Scheduler};
use crate::error::{Error, in_words};
use crate::job::JobContext;

const RUNS: &str = "rylie.job.runs";
const DURATION: &str = "rylie.job.duration";

/// The outcome of a run in this process.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
#[non_exhaustive]
pub enum RunOutcome {
    /// It succeeded.
    Done {
        /// The job's report.
        report: Value,
    },
    /// It failed. This is recorded, and the run is not repeated before the next due time.
    Failed {
        /// The error, without values of rows or parameters.
        error: String,
    },
    /// Another process has taken it over, because this one did not respond for too long.
    Lost,
    /// A stop interrupted it; another process takes it over.
    CutShort,
}

/// A run of this process.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RunReport {
    /// Name of the job.
    pub job: String,
    /// When it was due.
    pub due: DateTime<Utc>,
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: RunOutcome,
}

impl Scheduler {
    /// Executes a claimed run and records its outcome.
    pub(super) async fn perform(&self, number: usize, lease: Lease, cut_short: watch::Receiver<bool>) -> RunReport {
        let scheduled = &self.0.jobs[number];
        let span = tracing::info_span!("rylie.job", job = lease.job, due = %lease.due, attempt = lease.attempt);
        let began = Instant::now();
        let outcome = self.work(scheduled, &lease, cut_short).instrument(span.clone()).await;
        let outcome = self.record(&lease, outcome).instrument(span).await;
        measure(scheduled.job.name(), &outcome, began.elapsed());
        RunReport { job: lease.job, due: lease.due, outcome }
    }

    async fn work(&self, scheduled: &Scheduled, lease: &Lease, mut cut_short: watch::Receiver<bool>) -> Ended {
        let context = Arc::new(JobContext::new(Arc::clone(&self.0.store), lease.clone()));
        // A separate task, so that a panic ends the run and not the scheduler. Dropping the set aborts it.
        let mut work = JoinSet::new();
        let (job, its_context) = (Arc::clone(&scheduled.job), Arc::clone(&context));
        work.spawn(async move { job.run(&its_context).await }.in_current_span());
        let ended = tokio::select! {
            Some(done) = work.join_next() => match done {
                Ok(Ok(report)) => Ended::Done(report),
                Ok(Err(Error::LeaseLost)) => Ended::Lost,
                Ok(Err(error)) => Ended::Failed(in_words(&error)),
                Err(_) => Ended::Failed("the job panicked; see the message in the log of the process".to_owned()),
            },
            () = self.lose(lease) => Ended::Lost,
            () = tokio::time::sleep(scheduled.schedule.timeout) => {
                Ended::Failed(format!("it took longer than its limit of {:?}", scheduled.schedule.timeout))
            }
            Ok(_) = cut_short.wait_for(|cut| *cut) => Ended::CutShort,
        };
        // A task that is aborted may still be running on another thread, and commit.
        work.shutdown().await;
        // A run that has committed is done, whatever else happened.
        if context.is_finished() && !matches!(ended, Ended::Done(_)) { Ended::Finished } else { ended.after(&context) }
    }

    /// Renews the lease, and returns when it is lost: another process has it, or the database did not answer for the
    /// length of the lease.
    async fn lose(&self, lease: &Lease) {
        let length = self.0.options.lease;
        let mut kept = Instant::now();
        loop {
            tokio::time::sleep((length / 3).max(Duration::from_millis(1))).await;
            let beat = Instant::now();
            match self.holds(lease).await {
                Ok(true) => kept = beat,
                Ok(false) => return,
                Err(error) if kept.elapsed() >= length => {
                    tracing::error!(
                        error = in_words(&error),
                        job = lease.job,
                        "the lease could not be renewed; the run is interrupted"
                    );
                    return;
                }
                Err(error) => {
                    tracing::warn!(error = in_words(&error), job = lease.job, "renewing the lease failed; retrying");
                }
            }
        }
    }

    /// Renews the lease; `false` if another process has it. The job may have ended the run by its own commit, before
    /// its task knows of it.
    async fn holds(&self, lease: &Lease) -> rylie_repositories::Result<bool> {
        let unit = self.0.store.operations().await?;
        let runs = unit.job_runs();
        let holds = runs.prolong(lease, self.0.options.lease).await? || {
            let last = runs.last_run(&lease.job).await?;
            last.is_some_and(|run| run.lease() == *lease && run.status == RunStatus::Done)
        };
        unit.commit().await?;
        Ok(holds)
    }

    async fn record(&self, lease: &Lease, ended: Ended) -> RunOutcome {
        let recorded = match &ended {
            Ended::Done(_) => self.finish(lease, None).await,
            Ended::Failed(error) => self.finish(lease, Some(error)).await,
            Ended::CutShort => self.release(lease).await,
            Ended::Finished | Ended::FinishedWith(_) | Ended::Lost => Ok(true),
        };
        match recorded {
            Ok(true) => ended.into(),
            Ok(false) => RunOutcome::Lost,
            Err(error) => {
                // The lease expires, and another process repeats the run, which does nothing the second time.
                tracing::error!(
                    error = in_words(&error),
                    job = lease.job,
                    "recording the outcome of a run failed; it will be repeated"
                );
                RunOutcome::Lost
            }
        }
    }

    async fn finish(&self, lease: &Lease, error: Option<&str>) -> rylie_repositories::Result<bool> {
        retry(Retry::default(), || async {
            let unit = self.0.store.operations().await?;
            let finished = unit.job_runs().finish(lease, error).await?;
            unit.commit().await?;
            Ok(finished)
        })
        .await
    }

    async fn release(&self, lease: &Lease) -> rylie_repositories::Result<bool> {
        let unit = self.0.store.operations().await?;
        unit.job_runs().release(lease).await?;
        unit.commit().await?;
        Ok(true)
    }
}

enum Ended {
    Done(Value),
    /// Done, and recorded by the job in its own unit.
    FinishedWith(Value),
    /// Likewise, but the report is lost.
    Finished,
    Failed(String),
    Lost,
    CutShort,
}

impl Ended {
    fn after(self, context: &JobContext) -> Self {
        match self {
            Self::Done(report) if context.is_finished() => Self::FinishedWith(report),
            other => other,
        }
    }
}

impl From<Ended> for RunOutcome {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done(report) | Ended::FinishedWith(report) => Self::Done { report },
            Ended::Finished => Self::Done { report: Value::Null },
            Ended::Failed(error) => Self::Failed { error },
            Ended::Lost => Self::Lost,
            Ended::CutShort => Self::CutShort,
        }
    }
}

/// Registers units and descriptions at the recorder.
pub(super) fn describe() {
    describe_counter!(RUNS, Unit::Count, "Runs of jobs that ended in this process: done, failed, lost, or cut_short");
    describe_histogram!(DURATION, Unit::Seconds, "Duration of runs of jobs");
}

/// Logs one line for the run, with its counts, and measures it.
fn measure(job: &'static str, outcome: &RunOutcome, took: Duration) {
    let seconds = took.as_secs_f64();
    let word = match outcome {
        RunOutcome::Done { report } => {
            tracing::info!(job, outcome = "done", seconds, %report, "a job ended");
            "done"
        }
        RunOutcome::Failed { error } => {
            tracing::error!(job, outcome = "failed", seconds, error, "a job failed");
            "failed"
        }
        RunOutcome::Lost => {
            tracing::info!(job, outcome = "lost", seconds, "another process took over a job");
            "lost"
        }
        RunOutcome::CutShort => {
            tracing::info!(job, outcome = "cut_short", seconds, "a job was interrupted");
            "cut_short"
        }
    };
    metrics::counter!(RUNS, "job" => job, "outcome" => word).increment(1);
    metrics::histogram!(DURATION, "job" => job).record(took);
}
