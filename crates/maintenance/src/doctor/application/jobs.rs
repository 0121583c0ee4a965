//! The runs of jobs.

use chrono::{DateTime, Utc};

use crate::doctor::check::{CheckSpec, Need, both};
use crate::doctor::data::JobPoint;
use crate::doctor::report::{Outcome, Verdict};
use crate::scheduler::JobStatus;

pub(super) const FAILING: CheckSpec = both(
    "application.jobs-failing",
    "The last run of a job failed.",
    "SELECT 'warning', 'job ' || r.job, 'failed at ' || coalesce(CAST(r.finished AS text), 'an unknown time') || coalesce(': ' || substr(r.error, 1, 160), ''), 'rylie maintain run --now ' || r.job, 'as the job takes' \
     FROM rylie_job_runs r WHERE r.status = 'failed' AND NOT EXISTS (SELECT 1 FROM rylie_job_runs l WHERE l.job = r.job AND l.due > r.due AND l.status IN ('done', 'failed'))",
)
.healthy("the last run of every job succeeded")
.needs(&[Need::Table("rylie_job_runs"), Need::EveryTenant])
.warns()
.fix("rylie maintain run --now JOB", "as the job takes");

pub(super) const STUCK: CheckSpec = both(
    "application.jobs-stuck",
    "A running job hangs, or its process died and no other has taken the run over.",
    "SELECT CASE WHEN leased_until < {ago 1} THEN 'critical' WHEN leased_until < {now} THEN 'warning' WHEN started < {before_c} THEN 'critical' WHEN started < {before_w} THEN 'warning' END, 'job ' || job, \
       CASE WHEN leased_until < {now} THEN 'its lease ended at ' || leased_until ELSE 'it runs since ' || started END || ', holder ' || coalesce(holder, 'unknown'), \
       CASE WHEN leased_until < {now} THEN NULL ELSE 'find its session with rylie doctor --only activity; end its process, and another takes the run over' END, 'none' \
     FROM rylie_job_runs WHERE status = 'running'",
)
.healthy("no run hangs or is abandoned")
.limits(0.25, 1.0, "days")
.needs(&[Need::Table("rylie_job_runs"), Need::EveryTenant])
.fix("start `rylie maintain run`; it takes the run over", "none");

/// Returns the outcome of `application.jobs-late`, and the points of the report's timeline.
#[must_use]
pub fn job_outcomes(jobs: &[JobStatus]) -> (Outcome, Vec<JobPoint>) {
    let mut outcome = Outcome::ok(format!("{} jobs are on time", jobs.len()));
    for job in jobs.iter().filter(|job| job.overdue) {
        let last = job.last_run.map_or_else(|| "never".to_owned(), |at: DateTime<Utc>| at.format("%F %T").to_string());
        outcome = outcome.with(Verdict::Warning, format!("job {}", job.name), format!("is overdue; last run {last}"));
    }
    let points = jobs.iter().map(|job| JobPoint {
        job: job.name.clone(),
        last_run: job.last_run,
        status: job
            .last_status
            .and_then(|status| serde_json::to_value(status).ok()?.as_str().map(str::to_owned))
            .unwrap_or_else(|| "not run yet".to_owned()),
        next_run: job.next_run,
    });
    (outcome, points.collect())
}
