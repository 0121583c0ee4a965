//! `rylie maintain run` and `status`

use std::io::{self, Write};
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use rylie_db::Database;
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{JobStatus, RunOutcome, RunReport, SchedulerOptions, Upcoming};
use rylie_db::repositories::{Delivery, StoreExt};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::age;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, table};

/// How long the first attempt to deliver an alert may take before it counts as late.
const HOLD: TimeDelta = TimeDelta::minutes(10);

/// Run the jobs at their due times, until SIGTERM or SIGINT
///
/// Any number of processes can run it: each due time has one effect. After a signal no new run begins, and current runs
/// have the grace period to finish. The tables `[schedule.<job>]` of `rylie.toml` define the due times.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie maintain run\n  rylie maintain run --now vacuum")]
pub(crate) struct Run {
    /// Run this job now, regardless of its schedule, and exit
    #[arg(long, value_name = "JOB")]
    now: Option<String>,
    /// Run the jobs that are due now, and exit: for cron
    #[arg(long, conflicts_with = "now")]
    once: bool,
    /// Only show what would run now, and when each job is due next
    #[arg(long, conflicts_with = "once")]
    #[expect(clippy::struct_field_names, reason = "the flag is called so")]
    dry_run: bool,
    /// How long current runs may continue after a signal
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = age)]
    grace: Duration,
    /// How long a run belongs to a process that does not respond, before another one takes it over
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = age)]
    lease: Duration,
}

impl Run {
    pub(crate) async fn run(&self, database: &Database, global: &Global) -> Result<Report> {
        let lease = self.lease.max(Duration::from_secs(1));
        let options = SchedulerOptions { grace: self.grace, lease, ..SchedulerOptions::default() };
        let scheduler = database.scheduler(Vec::new(), options)?;
        if self.dry_run {
            return Ok(upcoming(&scheduler.upcoming().await?, self.now.as_deref()));
        }
        if let Some(job) = &self.now {
            return Ok(reported(&[scheduler.run_now(job).await?]));
        }
        if self.once {
            return Ok(reported(&scheduler.run_due().await?));
        }
        let stop = stop()?;
        if !global.quiet {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "running jobs as {}", scheduler.holder());
        }
        scheduler.run(stop).await;
        Ok(Report::new(json!({ "stopped": true }), "stopped"))
    }
}

/// Completes at the first signal. It listens from the start, so no signal is missed.
pub(crate) fn stop() -> Result<impl Future<Output = ()> + Send> {
    let failed = |source| Failure::File { doing: "listening for signals".to_owned(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn reported(reports: &[RunReport]) -> Report {
    let text = reports.iter().map(|report| (report.job.as_str(), outcome(&report.outcome)));
    let failed: Vec<_> = reports.iter().filter(|report| !matches!(report.outcome, RunOutcome::Done { .. })).collect();
    let verdict = (!failed.is_empty()).then(|| {
        let failed: Vec<_> =
            failed.iter().map(|report| format!("{}: {}", report.job, outcome(&report.outcome))).collect();
        Failure::NotReady(failed.join("; "))
    });
    Report::new(json!({ "runs": reports }), table(text)).with_verdict(verdict)
}

fn outcome(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Done { report } => format!("done {report}"),
        RunOutcome::Failed { error } => format!("failed: {error}"),
        RunOutcome::Lost => "another process took it over".to_owned(),
        _ => "interrupted".to_owned(),
    }
}

fn upcoming(jobs: &[Upcoming], only: Option<&str>) -> Report {
    let jobs: Vec<_> = jobs.iter().filter(|job| only.is_none_or(|only| only == job.name)).collect();
    let when = |job: &&Upcoming| match (job.due, only, job.next_run) {
        (_, Some(_), _) => "would be run now".to_owned(),
        (Some(due), _, _) => format!("would be run now, for {due}"),
        (None, _, Some(next)) => format!("due next at {next}"),
        (None, _, None) => "never due".to_owned(),
    };
    let text = table(jobs.iter().map(|job| (job.name.as_str(), when(job))));
    Report::new(json!({ "dry_run": true, "jobs": jobs }), text)
}

pub(crate) async fn status(database: &Database) -> Result<Report> {
    let scheduler = database.scheduler(Vec::new(), SchedulerOptions::default())?;
    let jobs = scheduler.status().await?;
    let unit = database.store().operations().await.map_err(rylie_db::Error::from)?;
    let undelivered = unit.alerts().undelivered().await.map_err(rylie_db::Error::from)?;
    let last_seen = jobs.iter().filter_map(|job| job.last_due).max();
    let missed = jobs.iter().any(|job| job.overdue);
    let mut text = table(jobs.iter().map(|job| (job.name.as_str(), line(job))));
    if missed {
        let seen = last_seen.map_or_else(|| "never".to_owned(), |at| format!("at {}", at.format("%F %T")));
        text.extend([format!("\njobs are overdue; last sign of a scheduler: {seen}")]);
    }
    for delivery in &undelivered {
        text.extend([format!("\n{}", unreported(delivery))]);
    }
    let now = SystemEnv.now();
    let problems = jobs.iter().filter_map(|job| Some(format!("{}: {}", job.name, job.problem?)));
    // A recently created alert may still be in delivery.
    let late = undelivered.iter().filter(|delivery| delivery.error.is_some() || now > delivery.created_at + HOLD);
    let problems: Vec<_> = problems.chain(late.map(unreported)).collect();
    let verdict = (!problems.is_empty()).then(|| Failure::Found(problems.join("; ")));
    let scheduler = json!({ "last_seen": last_seen, "overdue": missed });
    let document = json!({ "jobs": jobs, "scheduler": scheduler, "undelivered": undelivered, "now": now });
    Ok(Report::new(document, text).with_verdict(verdict))
}

fn unreported(delivery: &Delivery) -> String {
    let why = delivery.error.as_deref().unwrap_or("not attempted yet");
    format!("an alert for {} is not delivered: {why}", delivery.target)
}

fn line(job: &JobStatus) -> String {
    let time = |at: Option<_>, none: &str| {
        at.map_or_else(|| none.to_owned(), |at: chrono::DateTime<chrono::Utc>| at.format("%F %T").to_string())
    };
    let status = job.last_status.map(|status| json!(status).as_str().unwrap_or_default().to_owned());
    let mut line = format!(
        "{:19}  {:7}  next {:19}  {} {}",
        time(job.last_run, "not run yet"),
        status.unwrap_or_default(),
        time(job.next_run, "never"),
        job.cron,
        job.zone
    );
    if let Some(error) = &job.last_error {
        line.extend([format!("  last error {}: {error}", time(job.last_error_at, ""))]);
    }
    line
}
