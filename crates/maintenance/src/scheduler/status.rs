//! How the jobs stand.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_repositories::{JobRun, RunStatus, StoreExt};
use serde::Serialize;

use super::Scheduler;
use crate::error::{Error, Result};
use crate::scheduler::schedule::Plan;

/// A due time that nobody has claimed for this long is overdue.
const OVERDUE: TimeDelta = TimeDelta::minutes(10);

/// How one job stands.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub name: String,
    /// Its cron expression, or `never`.
    pub cron: String,
    /// The time zone of that.
    pub zone: &'static str,
    /// When its last run began; `None` before the first one.
    pub last_run: Option<DateTime<Utc>>,
    /// How that one stands.
    pub last_status: Option<RunStatus>,
    /// When it ended.
    pub last_finished: Option<DateTime<Utc>>,
    /// Which process had it.
    pub last_holder: Option<String>,
    /// The latest due time that a scheduler has taken, or skipped, and before the first one since when a scheduler knows the
    /// job; `None` if none does.
    pub last_due: Option<DateTime<Utc>>,
    /// Whether a due time passed some minutes ago, and no scheduler has taken it.
    pub overdue: bool,
    /// When it is due next; `None`: never.
    pub next_run: Option<DateTime<Utc>>,
    /// Why the last run that failed did, also if others succeeded since.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<DateTime<Utc>>,
    /// What is wrong: its last run failed, its holder has died, or it is overdue, so no scheduler may be running.
    pub problem: Option<&'static str>,
}

/// What would be run, and when.
#[derive(Clone, Debug, Serialize)]
pub struct Upcoming {
    /// Name of the job.
    pub name: String,
    /// The due time that would be run now, if there is one.
    pub due: Option<DateTime<Utc>>,
    /// The next due time.
    pub next_run: Option<DateTime<Utc>>,
}

impl Scheduler {
    /// How each job stands, by name. Changes nothing.
    pub async fn status(&self) -> Result<Vec<JobStatus>> {
        let failed = Error::doing("reading the runs of jobs");
        let settled = self.settled().await?;
        let unit = self.0.store.books().await.map_err(&failed)?;
        let begun = unit.job_runs().begun().await.map_err(&failed)?;
        let mut all = Vec::new();
        for scheduled in &self.0.jobs {
            let name = scheduled.job.name();
            let last = unit.job_runs().last_run(name).await.map_err(&failed)?;
            let failure = unit.job_runs().last_failure(name).await.map_err(&failed)?;
            let now = self.0.env.now();
            let last_due = settled.get(name).copied();
            // A job that no scheduler has known yet was to be run all the same, since there is the database.
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

    /// What [`run_due`](Self::run_due) would run first for each job, and when it is due next. Changes nothing.
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
        let failed = Error::doing("reading the runs of jobs");
        let names: Vec<String> = self.0.jobs.iter().map(|scheduled| scheduled.job.name().to_owned()).collect();
        let unit = self.0.store.books().await.map_err(&failed)?;
        let settled = unit.job_runs().settled(&names).await.map_err(&failed)?;
        Ok(settled.into_iter().collect())
    }
}

fn problem(last: Option<&JobRun>, overdue: bool, known: bool) -> Option<&'static str> {
    match last {
        Some(run) if run.abandoned => Some("its process died during the last run, and nobody has taken that over yet"),
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
