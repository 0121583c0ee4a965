//! The status of the jobs.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_repositories::{JobRun, RunStatus};
use serde::Serialize;

use super::Scheduler;
use crate::error::Result;
use crate::scheduler::schedule::Plan;
use crate::work::operations;

const DOING: &str = "reading the runs of jobs";

/// The delay after which an unclaimed due time is overdue.
const OVERDUE: TimeDelta = TimeDelta::minutes(10);

/// The status of one job.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub name: String,
    /// Its cron expression, or `never`.
    pub cron: String,
    /// Its time zone.
    pub zone: &'static str,
    /// When its last run began; `None` before the first one.
    pub last_run: Option<DateTime<Utc>>,
    /// Its status.
    pub last_status: Option<RunStatus>,
    /// When it ended.
    pub last_finished: Option<DateTime<Utc>>,
    /// The process that held it.
    pub last_holder: Option<String>,
    /// The latest due time that a scheduler claimed or skipped. Before the first one, the time at which a scheduler
    /// registered the job. `None` if none did.
    pub last_due: Option<DateTime<Utc>>,
    /// Whether a due time passed some minutes ago and no scheduler has claimed it.
    pub overdue: bool,
    /// The next due time; `None` if there is none.
    pub next_run: Option<DateTime<Utc>>,
    /// The error of the last failed run, even if later runs succeeded.
    pub last_error: Option<String>,
    /// When that run failed.
    pub last_error_at: Option<DateTime<Utc>>,
    /// The problem, if any: its last run failed, its holder has died, or it is overdue and possibly no scheduler is
    /// running.
    pub problem: Option<&'static str>,
}

/// The next runs of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Upcoming {
    /// Name of the job.
    pub name: String,
    /// The due time that would run now, if there is one.
    pub due: Option<DateTime<Utc>>,
    /// The next due time.
    pub next_run: Option<DateTime<Utc>>,
}

impl Scheduler {
    /// Returns the status of all jobs, sorted by name. Changes nothing.
    pub async fn status(&self) -> Result<Vec<JobStatus>> {
        let settled = self.settled().await?;
        let unit = operations(&*self.0.store, DOING).await?;
        let begun = unit.done(unit.job_runs().begun().await)?;
        let mut all = Vec::new();
        for scheduled in &self.0.jobs {
            let name = scheduled.job.name();
            let last = unit.done(unit.job_runs().last_run(name).await)?;
            let failure = unit.done(unit.job_runs().last_failure(name).await)?;
            let now = self.0.env.now();
            let last_due = settled.get(name).copied();
            // A job that no scheduler has registered was due since the database exists.
            let first_due = scheduled.schedule.next_after(last_due.unwrap_or(begun));
            let overdue = first_due.is_some_and(|due| now > due + scheduled.late + OVERDUE);
            all.push(JobStatus {
                name: name.to_owned(),
                cron: scheduled.schedule.cron().to_owned(),
                zone: scheduled.schedule.zone(),
                problem: problem(last.as_ref(), overdue, last_due.is_some()),
                last_due,
                overdue,
                last_run: last.as_ref().and_then(|run| run.started),
                last_status: last.as_ref().map(|run| run.status),
                last_finished: last.as_ref().and_then(|run| run.finished),
                last_holder: last.map(|run| run.holder),
                next_run: scheduled.schedule.next_after(now),
                last_error_at: failure.as_ref().and_then(|run| run.finished),
                last_error: failure.and_then(|run| run.error),
            });
        }
        Ok(all)
    }

    /// Returns the run that [`run_due`](Self::run_due) would start first for each job, and its next due time. Changes
    /// nothing.
    pub async fn upcoming(&self) -> Result<Vec<Upcoming>> {
        let settled = self.settled().await?;
        let now = self.0.env.now();
        let upcoming = self.0.jobs.iter().map(|scheduled| {
            let name = scheduled.job.name();
            let plan = settled.get(name).map(|settled| scheduled.schedule.plan(*settled, now - scheduled.late));
            let due = if let Some(Plan::Run(due)) = plan { Some(due) } else { None };
            Upcoming { name: name.to_owned(), due, next_run: scheduled.schedule.next_after(now) }
        });
        Ok(upcoming.collect())
    }

    async fn settled(&self) -> Result<HashMap<String, DateTime<Utc>>> {
        let names: Vec<String> = self.0.jobs.iter().map(|scheduled| scheduled.job.name().to_owned()).collect();
        let unit = operations(&*self.0.store, DOING).await?;
        unit.done(unit.job_runs().settled(&names).await)
    }
}

fn problem(last: Option<&JobRun>, overdue: bool, known: bool) -> Option<&'static str> {
    match last {
        Some(run) if run.abandoned => Some("its process died during the last run; no process has taken it over yet"),
        Some(run) if run.status == RunStatus::Failed && overdue => {
            Some("its last run failed, and it is overdue; is `rylie maintain run` running?")
        }
        Some(run) if run.status == RunStatus::Failed => Some("its last run failed"),
        Some(run) if run.status == RunStatus::Running => None,
        _ if overdue && !known => {
            Some("it is overdue, and no scheduler knows it; start `rylie maintain run` with these settings")
        }
        _ if overdue => Some("it is overdue; is `rylie maintain run` running?"),
        _ => None,
    }
}
