//! Runs jobs at their due times: one run per due time over any number of processes.

#[cfg_attr(not(feature = "scheduler"), path = "scheduler/no_due_times.rs")]
mod due_times;
mod duration;
mod run;
mod schedule;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_entities::Env;
use rylie_repositories::{JobRun, Lease, OperationsUnit, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::{Error, Result, in_words};
use crate::job::Job;
use crate::work::operations;
use schedule::Plan;

pub use run::{RunOutcome, RunReport};
pub use schedule::{Schedule, ScheduleSettings};
pub use status::{JobStatus, Upcoming};

/// Number of attempts after which a run is given up.
const MOST_ATTEMPTS: i64 = 5;

/// The options of a scheduler. The defaults suit a service.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerOptions {
    /// The lease of a run without a heartbeat, by the database's clock; 60 seconds. Three heartbeats are sent per
    /// lease.
    pub lease: Duration,
    /// Maximum pause between two reads of the table of runs; 10 seconds.
    pub poll: Duration,
    /// How long a stop waits for current runs; 30 seconds.
    pub grace: Duration,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self { lease: Duration::from_mins(1), poll: Duration::from_secs(10), grace: Duration::from_secs(30) }
    }
}

/// Runs jobs at their due times. Cheap to clone; clones share one holder.
///
/// Any number of processes may each have one, for the same jobs on the same database. Guarantees:
///
/// - A due time is claimed once: the table of runs is unique in (job, due time), independent of the processes' clocks.
/// - A job does not overlap itself, across due times and manual runs.
/// - A run whose holder dies is taken over when its lease has expired by the database's clock. A job that ends with
///   [`JobContext::finish`](crate::JobContext::finish) has its effect exactly once. Other jobs commit in batches, each
///   of which does nothing the second time; their runs may begin more than once.
/// - A run that fails is recorded as failed and not repeated; the job runs again at its next due time.
#[derive(Clone)]
pub struct Scheduler(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    jobs: Vec<Scheduled>,
    holder: String,
    options: SchedulerOptions,
}

struct Scheduled {
    job: Arc<dyn Job>,
    schedule: Schedule,
    /// The delay of this process for the job's jitter.
    late: TimeDelta,
}

impl Scheduler {
    /// Creates a scheduler for these jobs. `settings` by job name override the job's schedule.
    ///
    /// Fails with [`Error::Schedule`] for a wrong setting, a setting of an unknown job, and two jobs of one name.
    pub fn new(
        store: Arc<dyn Store>,
        env: Arc<dyn Env>,
        jobs: Vec<Arc<dyn Job>>,
        settings: &BTreeMap<String, ScheduleSettings>,
        options: SchedulerOptions,
    ) -> Result<Self> {
        run::describe();
        let holder = holder(&*env);
        let mut by_name = BTreeMap::new();
        for job in jobs {
            let name = job.name();
            let own = settings.get(name).cloned().unwrap_or_default();
            let schedule = Schedule::of(&*job, &own)?;
            let late = share(schedule.jitter, &holder, name);
            if by_name.insert(name, Scheduled { job, schedule, late }).is_some() {
                return Err(Error::Schedule {
                    setting: format!("schedule.{name}"),
                    reason: "two jobs have this name; rename one".to_owned(),
                });
            }
        }
        if let Some(name) = settings.keys().find(|name| !by_name.contains_key(name.as_str())) {
            let names: Vec<_> = by_name.keys().copied().collect();
            let reason = format!("there is no such job; the jobs are {}", names.join(", "));
            return Err(Error::Schedule { setting: format!("schedule.{name}"), reason });
        }
        // Sorted by name, so that all processes lock rows in the same order.
        let jobs = by_name.into_values().collect();
        Ok(Self(Arc::new(Inner { store, env, jobs, holder, options })))
    }

    /// Returns the name under which this scheduler holds its runs.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.0.holder
    }

    /// Runs due jobs until `stop` completes. Then no new run begins, and current runs may finish within the grace
    /// period. Runs that do not finish are interrupted and left to the next process. If the database is unavailable,
    /// this is logged and retried.
    ///
    /// Dropping the future stops at once: current runs are interrupted and taken over when their leases expire.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let (cut, cut_short) = watch::channel(false);
        let mut runs = JoinSet::new();
        tokio::pin!(stop);
        loop {
            match self.claim_due().await {
                Ok(claimed) => {
                    for (number, lease) in claimed {
                        let (this, cut_short) = (self.clone(), cut_short.clone());
                        runs.spawn(async move { this.perform(number, lease, cut_short).await });
                    }
                }
                Err(error) => tracing::error!(error = in_words(&error), "looking for due jobs failed; retrying"),
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = tokio::time::sleep(self.pause()) => {}
                Some(_) = runs.join_next() => {}
            }
        }
        let all_done = async { while runs.join_next().await.is_some() {} };
        if tokio::time::timeout(self.0.options.grace, all_done).await.is_err() {
            tracing::warn!(runs = runs.len(), "the stop interrupts runs; another process takes them over");
            // Sending fails only if all runs have finished.
            let _ = cut.send(true);
            while runs.join_next().await.is_some() {}
        }
    }

    /// Runs the jobs that are due now and returns when they are done: for cron, in place of [`run`](Self::run). A
    /// failure of a job is in its report.
    pub async fn run_due(&self) -> Result<Vec<RunReport>> {
        let mut reports = Vec::new();
        let (_cut, cut_short) = watch::channel(false);
        loop {
            let mut runs = JoinSet::new();
            for (number, lease) in self.claim_due().await? {
                let (this, cut_short) = (self.clone(), cut_short.clone());
                runs.spawn(async move { this.perform(number, lease, cut_short).await });
            }
            if runs.is_empty() {
                return Ok(reports);
            }
            while let Some(report) = runs.join_next().await {
                // A panic of the job is caught in `perform`.
                reports.extend(report.ok());
            }
        }
    }

    /// Runs one job now, independent of its schedule. If the holder of its last run has died, continues that run
    /// instead. Fails with [`Error::JobRunning`] while a run of it is running in any process, and with
    /// [`Error::UnknownJob`] if there is no such job. A failure of the job itself is in the report.
    pub async fn run_now(&self, name: &str) -> Result<RunReport> {
        let number = self.number_of(name)?;
        let unit = operations(&*self.0.store, "claiming a run").await?;
        let running = unit.done(unit.job_runs().running().await)?;
        let claimed = match running.iter().find(|run| run.job == name) {
            Some(run) if run.abandoned => self.take_over(&*unit, run).await,
            Some(_) => Ok(None),
            None => {
                let due = beside_the_schedule(self.0.env.now());
                unit.job_runs().claim(name, due, true, &self.0.holder, self.0.options.lease).await
            }
        };
        let Some(lease) = unit.done(claimed)? else { return Err(Error::JobRunning { job: name.to_owned() }) };
        let lease = unit.commit(Ok(lease)).await?;
        let (_cut, cut_short) = watch::channel(false);
        Ok(self.perform(number, lease, cut_short).await)
    }

    /// Claims every run that is due or whose holder has died. Each then belongs to this process only.
    async fn claim_due(&self) -> Result<Vec<(usize, Lease)>> {
        let unit = operations(&*self.0.store, "looking for due jobs").await?;
        let claimed = self.claim_in(&*unit).await;
        unit.commit(claimed).await
    }

    async fn claim_in(&self, unit: &dyn OperationsUnit) -> rylie_repositories::Result<Vec<(usize, Lease)>> {
        let names: Vec<String> = self.0.jobs.iter().map(|scheduled| scheduled.job.name().to_owned()).collect();
        let settled = unit.job_runs().settled(&names).await?;
        let running = unit.job_runs().running().await?;
        let now = self.0.env.now();
        let mut claimed = Vec::new();
        for (number, scheduled) in self.0.jobs.iter().enumerate() {
            let name = scheduled.job.name();
            let lease = match (running.iter().find(|run| run.job == name), settled.get(name)) {
                (Some(run), _) if run.abandoned => self.take_over(unit, run).await?,
                (Some(_), _) => None,
                (None, Some(settled)) => self.claim(unit, scheduled, *settled, now).await?,
                (None, None) => {
                    unit.job_runs().register(name, now).await?;
                    None
                }
            };
            claimed.extend(lease.map(|lease| (number, lease)));
        }
        Ok(claimed)
    }

    async fn claim(
        &self,
        unit: &dyn OperationsUnit,
        scheduled: &Scheduled,
        settled: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> rylie_repositories::Result<Option<Lease>> {
        let name = scheduled.job.name();
        match scheduled.schedule.plan(settled, now - scheduled.late) {
            Plan::Nothing => Ok(None),
            Plan::Skip(due) => unit.job_runs().skip(name, due).await.map(|()| None),
            Plan::Run(due) => unit.job_runs().claim(name, due, false, &self.0.holder, self.0.options.lease).await,
        }
    }

    async fn take_over(&self, unit: &dyn OperationsUnit, run: &JobRun) -> rylie_repositories::Result<Option<Lease>> {
        let taken = unit.job_runs().take_over(&run.lease(), &self.0.holder, self.0.options.lease).await?;
        let Some(lease) = taken else { return Ok(None) };
        if lease.attempt <= MOST_ATTEMPTS {
            tracing::warn!(job = run.job, due = %run.due, "taking over a run whose holder has died");
            return Ok(Some(lease));
        }
        let error = format!("given up: the process that ran it died {MOST_ATTEMPTS} times");
        unit.job_runs().finish(&lease, Some(&error)).await?;
        Ok(None)
    }

    /// Returns the time until the next due time by this process's clock, within limits.
    fn pause(&self) -> Duration {
        let now = self.0.env.now();
        let next = self.0.jobs.iter().filter_map(|scheduled| {
            let next = scheduled.schedule.next_after(now - scheduled.late)? + scheduled.late;
            (next - now).to_std().ok()
        });
        next.min().unwrap_or(self.0.options.poll).clamp(Duration::from_millis(20), self.0.options.poll)
    }

    fn number_of(&self, name: &str) -> Result<usize> {
        self.0.jobs.iter().position(|scheduled| scheduled.job.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.0.jobs.iter().map(|scheduled| scheduled.job.name()).collect();
            Error::UnknownJob { known: names.join(", ") }
        })
    }
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let jobs: Vec<_> = self.0.jobs.iter().map(|scheduled| scheduled.job.name()).collect();
        f.debug_struct("Scheduler").field("holder", &self.0.holder).field("jobs", &jobs).finish_non_exhaustive()
    }
}

/// Returns a unique name of host, process and scheduler, by which an operator finds the process.
fn holder(env: &dyn Env) -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "host" } else { host.trim() };
    format!("{host}/{}/{}", std::process::id(), env.new_id())
}

/// Returns this process's delay for the job, so that processes do not all begin together.
fn share(jitter: Duration, holder: &str, job: &str) -> TimeDelta {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{holder}\n{job}").as_bytes());
    let byte = digest.as_ref().first().copied().unwrap_or_default();
    TimeDelta::from_std(jitter.mul_f64(f64::from(byte) / 256.0)).unwrap_or_default()
}

/// Adjusts the time of a manual run. Due times are whole seconds, so a time with a fraction cannot be one.
fn beside_the_schedule(now: DateTime<Utc>) -> DateTime<Utc> {
    if now.timestamp_subsec_millis() == 0 { now + TimeDelta::milliseconds(1) } else { now }
}
