//! Each due time has one effect, despite wrong clocks and killed processes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{
    Error, Job, JobContext, Missed, Result, RunOutcome, ScheduleSettings, Scheduler, SchedulerOptions,
};
use rylie_db::prelude::*;
use rylie_db::repositories::RunStatus;
use rylie_testkit::{TestEnv, World};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::sql::Sql;

use super::world;

/// Records one event for its due time, in the unit that ends its run.
struct Recorder {
    cron: &'static str,
    missed: Missed,
    /// The due times that were begun, with their attempts.
    begun: Mutex<Vec<(DateTime<Utc>, i64)>>,
    /// Notified when a run has written and not committed.
    wrote: Notify,
    /// A run waits for these permits before it writes, and before it commits.
    may_write: Semaphore,
    may_commit: Semaphore,
}

impl Recorder {
    fn new(cron: &'static str, missed: Missed) -> Arc<Self> {
        let free = || Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self::with_gates(cron, missed, free(), free()))
    }

    /// Creates a job whose runs wait before they write.
    fn waiting(cron: &'static str) -> Arc<Self> {
        let commits = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self::with_gates(cron, Missed::Once, Semaphore::new(0), commits))
    }

    /// Creates a job whose runs wait between write and commit.
    fn hanging(cron: &'static str) -> Arc<Self> {
        let writes = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self::with_gates(cron, Missed::Once, writes, Semaphore::new(0)))
    }

    fn with_gates(cron: &'static str, missed: Missed, may_write: Semaphore, may_commit: Semaphore) -> Self {
        Self { cron, missed, begun: Mutex::default(), wrote: Notify::new(), may_write, may_commit }
    }

    async fn has_begun(&self) {
        while self.begun.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[async_trait::async_trait]
impl Job for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn cron(&self) -> &'static str {
        self.cron
    }

    fn missed(&self) -> Missed {
        self.missed
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        self.begun.lock().unwrap().push((context.due(), context.attempt()));
        self.may_write.acquire().await.unwrap().forget();
        let unit = context.store().platform(Grant::job("recorder", "to test").unwrap()).await.unwrap();
        let event = Event::new(Action::Other("RECORDED".to_owned()));
        unit.audit().record(event.on_row("Job", &context.due().format("%FT%H:%M").to_string())).await.unwrap();
        self.wrote.notify_one();
        self.may_commit.acquire().await.unwrap().forget();
        context.finish(unit).await?;
        Ok(json!({}))
    }
}

fn options() -> SchedulerOptions {
    let short = Duration::from_millis(300);
    SchedulerOptions { lease: Duration::from_mins(1), poll: short, grace: Duration::from_secs(10) }
}

fn scheduler_with(
    world: &World,
    env: &Arc<TestEnv>,
    job: &Arc<Recorder>,
    settings: &[(&str, &str)],
    options: SchedulerOptions,
) -> Scheduler {
    let settings: ScheduleSettings =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = BTreeMap::from([("recorder".to_owned(), settings)]);
    let jobs = vec![Arc::clone(job) as Arc<dyn Job>];
    Scheduler::new(world.store(), Arc::clone(env) as Arc<dyn Env>, jobs, &settings, options).unwrap()
}

fn scheduler(world: &World, env: &Arc<TestEnv>, job: &Arc<Recorder>) -> Scheduler {
    scheduler_with(world, env, job, &[], options())
}

/// Returns the due time of each effect.
async fn effects(world: &World) -> Vec<String> {
    let sql = r#"SELECT "resourceId" FROM "AuditLog" WHERE action = 'RECORDED' ORDER BY 1"#;
    Sql::connect(world.url()).await.all(sql).await
}

async fn both(one: &Scheduler, other: &Scheduler) {
    let (one, other) = tokio::join!(one.run_due(), other.run_due());
    for report in one.unwrap().into_iter().chain(other.unwrap()) {
        assert_eq!(report.outcome, RunOutcome::Done { report: json!({}) });
    }
}

#[tokio::test]
async fn two_schedulers_run_each_due_time_once() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::new("0 * * * *", Missed::Once));
    let (one, other) = (scheduler(&world, &env, &job), scheduler(&world, &env, &job));
    both(&one, &other).await;
    assert!(effects(&world).await.is_empty(), "what was due before the job was known is nobody's");

    for _ in 0..12 {
        env.forward(TimeDelta::minutes(30));
        both(&one, &other).await;
        both(&one, &other).await;
    }

    let expected = ["13", "14", "15", "16", "17", "18"].map(|hour| format!("2026-01-15T{hour}:00"));
    assert_eq!(effects(&world).await, expected);
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_either_way_repeats_and_loses_nothing() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::new("0 * * * *", Missed::Once));
    // The other process's clock is always correct.
    let right = Arc::new(TestEnv::default());
    let (one, other) = (scheduler(&world, &env, &job), scheduler(&world, &right, &job));
    both(&one, &other).await;
    for jump in [0, 60, -60, -60, 60] {
        env.forward(TimeDelta::minutes(jump));
        for _ in 0..4 {
            env.forward(TimeDelta::minutes(30));
            right.forward(TimeDelta::minutes(30));
            both(&one, &other).await;
        }
    }

    let expected: Vec<_> = (13..=22).map(|hour| format!("2026-01-15T{hour}:00")).collect();
    assert_eq!(effects(&world).await, expected);
}

#[tokio::test]
async fn both_changes_of_the_clock_have_one_effect_a_night() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::new("30 2 * * *", Missed::Skip));
    let berlin = [("zone", "Europe/Berlin")];
    let [one, other] = [(), ()].map(|()| scheduler_with(&world, &env, &job, &berlin, options()));
    both(&one, &other).await;
    for evening in ["2026-03-27T20:00:00Z", "2026-10-23T20:00:00Z"] {
        env.forward(evening.parse::<DateTime<Utc>>().unwrap() - env.now());
        both(&one, &other).await;
        for _ in 0..6 * 24 {
            env.forward(TimeDelta::minutes(30));
            both(&one, &other).await;
        }
    }

    let expected = [
        "2026-03-28T01:30", // 2:30 in winter
        "2026-03-29T01:00", // There is no 2:30: it is due at the end of the gap.
        "2026-03-30T00:30", // 2:30 in summer
        "2026-10-24T00:30",
        "2026-10-25T00:30", // The first of two times that the clock shows 2:30.
        "2026-10-26T01:30",
    ];
    assert_eq!(effects(&world).await, expected);
}

/// Settings of a job, with the expected due times.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[tokio::test]
async fn three_days_asleep_are_skipped_made_up_for_once_or_run_with_a_cap() {
    let all = ["2026-01-18T08:00", "2026-01-18T09:00", "2026-01-18T10:00", "2026-01-18T11:00", "2026-01-18T12:00"];
    let cases: [Case<'_>; 3] = [
        (&[("missed", "skip")], &[]),
        (&[("missed", "once")], &all[4..]),
        (&[("missed", "all"), ("cap", "5")], &all[..]),
    ];
    for (settings, expected) in cases {
        let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::new("0 * * * *", Missed::Once));
        let [one, other] = [(), ()].map(|()| scheduler_with(&world, &env, &job, settings, options()));
        both(&one, &other).await;

        env.forward(TimeDelta::days(3) + TimeDelta::minutes(10));
        both(&one, &other).await;
        both(&one, &other).await;

        assert_eq!(effects(&world).await, expected, "{settings:?}");
    }
}

#[tokio::test]
async fn what_a_killed_holder_began_is_taken_over_and_has_one_effect() {
    let (world, env) = (world().await, Arc::new(TestEnv::default()));
    let (hanging, job) = (Recorder::hanging("0 * * * *"), Recorder::new("0 * * * *", Missed::Once));
    let short = SchedulerOptions { lease: Duration::from_millis(500), ..options() };
    let doomed = scheduler_with(&world, &env, &hanging, &[], short);
    let heir = scheduler(&world, &env, &job);
    doomed.run_due().await.unwrap();
    env.forward(TimeDelta::hours(1));
    let running = tokio::spawn(async move { doomed.run(std::future::pending()).await });
    hanging.wrote.notified().await;

    running.abort();
    running.await.unwrap_err();
    while effects(&world).await.is_empty() {
        heir.run_due().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    heir.run_due().await.unwrap();

    assert_eq!(effects(&world).await, ["2026-01-15T13:00"]);
    let due = job.begun.lock().unwrap().clone();
    assert_eq!(due, [("2026-01-15T13:00:00Z".parse().unwrap(), 2)], "the second attempt at the same due time");
}

#[tokio::test]
async fn a_holder_that_was_paused_too_long_commits_nothing() {
    let world = world().await;
    let due = world.env().now();
    let unit = world.store().operations().await.unwrap();
    let paused = unit.job_runs().claim("recorder", due, false, "one", Duration::ZERO).await.unwrap().unwrap();
    unit.commit().await.unwrap();
    let unit = world.store().operations().await.unwrap();
    let heir = unit.job_runs().take_over(&paused, "other", Duration::from_mins(1)).await.unwrap().unwrap();
    unit.commit().await.unwrap();

    let (job, store) = (Recorder::new("0 * * * *", Missed::Once), world.store());
    let outcome = job.run(&JobContext::new(Arc::clone(&store), paused)).await;
    assert!(matches!(outcome, Err(Error::LeaseLost)), "{outcome:?}");
    assert!(effects(&world).await.is_empty());

    job.run(&JobContext::new(store, heir)).await.unwrap();
    assert_eq!(effects(&world).await.len(), 1);
}

#[tokio::test]
async fn a_job_does_not_overlap_itself() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::waiting("0 * * * *"));
    let (one, other) = (scheduler(&world, &env, &job), scheduler(&world, &env, &job));
    both(&one, &other).await;
    env.forward(TimeDelta::hours(1));
    let running = tokio::spawn(async move { one.run_due().await.unwrap() });
    job.has_begun().await;

    env.forward(TimeDelta::hours(1));
    assert_eq!(other.run_due().await.unwrap(), [], "the next due time waits");
    let by_hand = other.run_now("recorder").await;
    assert!(matches!(by_hand, Err(Error::JobRunning { .. })), "{by_hand:?}");

    job.may_write.add_permits(10);
    running.await.unwrap();
    other.run_due().await.unwrap();
    assert_eq!(effects(&world).await, ["2026-01-15T13:00", "2026-01-15T14:00"]);
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_finish_and_begins_nothing() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::waiting("0 * * * *"));
    let one = scheduler(&world, &env, &job);
    one.run_due().await.unwrap();
    env.forward(TimeDelta::hours(1));
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(async move { one.run(stopped.notified()).await });
    job.has_begun().await;

    stop.notify_one();
    env.forward(TimeDelta::hours(1));
    job.may_write.add_permits(10);
    running.await.unwrap();

    assert_eq!(effects(&world).await, ["2026-01-15T13:00"]);
}

#[tokio::test]
async fn what_a_stop_cuts_short_is_another_process_s_at_once() {
    let (world, env) = (world().await, Arc::new(TestEnv::default()));
    let (waiting, job) = (Recorder::waiting("0 * * * *"), Recorder::new("0 * * * *", Missed::Once));
    let hasty = SchedulerOptions { grace: Duration::ZERO, ..options() };
    let one = scheduler_with(&world, &env, &waiting, &[], hasty);
    one.run_due().await.unwrap();
    env.forward(TimeDelta::hours(1));
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(async move { one.run(stopped.notified()).await });
    waiting.has_begun().await;
    stop.notify_one();
    running.await.unwrap();

    scheduler(&world, &env, &job).run_due().await.unwrap();

    assert_eq!(effects(&world).await, ["2026-01-15T13:00"]);
}

#[tokio::test]
async fn a_run_that_takes_too_long_fails_and_shows_in_the_status() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::waiting("0 * * * *"));
    let one = scheduler_with(&world, &env, &job, &[("timeout", "1s")], options());
    one.run_due().await.unwrap();
    env.forward(TimeDelta::hours(1));

    let reports = one.run_due().await.unwrap();
    assert!(matches!(&reports[..], [report] if matches!(report.outcome, RunOutcome::Failed { .. })), "{reports:?}");
    let status = one.status().await.unwrap().remove(0);
    assert_eq!((status.name.as_str(), status.last_status), ("recorder", Some(RunStatus::Failed)));
    assert!(status.last_run.is_some() && status.last_error.unwrap().contains("longer than its limit"));
    assert_eq!(status.next_run, Some("2026-01-15T14:00:00Z".parse().unwrap()));
    assert!(status.problem.is_some());
    assert!(effects(&world).await.is_empty());

    job.may_write.add_permits(10);
    env.forward(TimeDelta::hours(1));
    one.run_due().await.unwrap();
    let status = one.status().await.unwrap().remove(0);
    assert_eq!((status.last_status, status.problem), (Some(RunStatus::Done), None));
    assert!(status.last_error.is_some(), "the failure still shows");
    assert_eq!(effects(&world).await, ["2026-01-15T14:00"], "the next due time is the next try");
}

#[tokio::test]
async fn a_look_ahead_runs_nothing_and_a_run_by_hand_settles_no_due_time() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::new("0 * * * *", Missed::Once));
    let one = scheduler(&world, &env, &job);
    one.run_due().await.unwrap();
    env.forward(TimeDelta::hours(1));

    let upcoming = one.upcoming().await.unwrap().remove(0);
    assert_eq!(upcoming.due, Some("2026-01-15T13:00:00Z".parse().unwrap()));
    assert_eq!(upcoming.next_run, Some("2026-01-15T14:00:00Z".parse().unwrap()));
    assert!(effects(&world).await.is_empty());

    one.run_now("recorder").await.unwrap();
    assert_eq!(effects(&world).await.len(), 1);
    one.run_due().await.unwrap();
    assert_eq!(effects(&world).await.len(), 2);
}

#[tokio::test]
async fn runs_are_forgotten_and_the_last_due_time_is_not() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::new("0 * * * *", Missed::Once));
    let one = scheduler(&world, &env, &job);
    one.run_due().await.unwrap();
    for _ in 0..3 {
        env.forward(TimeDelta::hours(1));
        one.run_due().await.unwrap();
    }

    let unit = world.store().operations().await.unwrap();
    let later = env.now() + TimeDelta::days(1);
    assert_eq!(unit.job_runs().forget(later, 100).await.unwrap(), 3, "that it was registered, and two runs");
    unit.commit().await.unwrap();
    one.run_due().await.unwrap();

    assert_eq!(effects(&world).await.len(), 3, "the last due time is not run again");
}

#[tokio::test]
async fn a_job_that_no_scheduler_ever_took_is_overdue() {
    let (world, env, job) = (world().await, Arc::new(TestEnv::default()), Recorder::new("0 * * * *", Missed::Once));
    let one = scheduler(&world, &env, &job);
    let later = SystemEnv.now() + TimeDelta::hours(2);
    env.forward(later - env.now());

    let status = one.status().await.unwrap().remove(0);
    assert!(status.overdue && status.last_due.is_none() && status.problem.is_some(), "{status:?}");

    one.run_due().await.unwrap();
    let status = one.status().await.unwrap().remove(0);
    assert_eq!((status.overdue, status.problem), (false, None));
    assert!(status.last_due.is_some());
}
