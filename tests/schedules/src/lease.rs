//! The scheduler's lease: `crates/maintenance/src/scheduler/run.rs` and `job.rs`.

mod fakes;
#[allow(clippy::all, unused_imports, reason = "a copy")]
mod job {
    include!(concat!(env!("OUT_DIR"), "/job.rs"));
}
#[allow(clippy::all, unused_imports, reason = "a copy")]
mod run {
    include!(concat!(env!("OUT_DIR"), "/run.rs"));
}

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fakes::{Error, Result, Store, Table};
use job::{Job, JobContext};
use run::RunOutcome;
use serde_json::Value;
use shuttle::future::{block_on, spawn, yield_now};
use tokio::sync::watch;

use crate::tokio::task;
use crate::{chance, check_with_mutants, number, polled};

const LEASE: Duration = Duration::from_secs(3);

/// The scheduler, as far as `run.rs` uses it.
pub(crate) struct Scheduler(Inner);

struct Inner {
    store: Arc<dyn Store>,
    jobs: Vec<Scheduled>,
    options: Options,
}

struct Options {
    lease: Duration,
}

struct Scheduled {
    job: Arc<dyn Job>,
    schedule: Schedule,
}

struct Schedule {
    timeout: Duration,
}

/// A job whose whole effect is one unit.
struct Once {
    table: Arc<Table>,
    committed: Arc<AtomicBool>,
}

#[async_trait]
impl Job for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn cron(&self) -> &'static str {
        "0 * * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        for _ in 0..number(3) {
            crate::tokio::time::sleep(LEASE / 3).await;
        }
        context.finish(self.table.unit_with_the_effect()).await?;
        self.committed.store(true, Ordering::Relaxed);
        for _ in 0..number(6) {
            yield_now().await;
        }
        if chance(4) { Err(Error::LeaseLost) } else { Ok(Value::Null) }
    }
}

/// The fate of a process in its run.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    Lives,
    Dies,
    Stops,
}

/// A process that claims the run or takes it over.
async fn process(table: Arc<Table>, fate: Fate) {
    let committed = Arc::new(AtomicBool::new(false));
    let job = Once { table: Arc::clone(&table), committed: Arc::clone(&committed) };
    let jobs = vec![Scheduled { job: Arc::new(job), schedule: Schedule { timeout: Duration::from_hours(1) } }];
    let scheduler = Scheduler(Inner { store: Arc::new(Arc::clone(&table)), jobs, options: Options { lease: LEASE } });
    let (cut, cut_short) = watch::channel(false);
    for _ in 0..50 {
        if table.has_ended() {
            return;
        }
        let Some(lease) = table.claim_or_take_over(LEASE).await else {
            crate::tokio::time::sleep(LEASE / 2).await;
            continue;
        };
        let attempt = lease.attempt;
        let mut run = pin!(scheduler.perform(0, lease, cut_short.clone()));
        if fate == Fate::Dies {
            for _ in 0..number(60) {
                if polled(run.as_mut()).await.is_ready() {
                    return;
                }
                yield_now().await;
            }
            return;
        }
        if fate == Fate::Stops {
            cut.send_replace(true);
        }
        let report = run.await;
        if committed.load(Ordering::Relaxed) {
            assert!(matches!(report.outcome, RunOutcome::Done { .. }), "it committed and reports {:?}", report.outcome);
        }
        let lost = matches!(report.outcome, RunOutcome::Lost);
        assert!(
            !(lost && !table.had_errors() && table.acknowledged(attempt)),
            "it committed and reports that another process took over"
        );
        if fate == Fate::Stops {
            return;
        }
    }
}

fn two_processes() {
    block_on(async {
        crate::time::reset();
        task::reset();
        let table = Arc::new(Table::default());
        let fate = || [Fate::Lives, Fate::Lives, Fate::Dies, Fate::Stops][number(4) as usize];
        let processes = [fate(), fate()].map(|fate| spawn(process(Arc::clone(&table), fate)));
        for process in processes {
            process.await.unwrap();
        }
        process(Arc::clone(&table), Fate::Lives).await;
        assert!(table.has_ended(), "nobody ended the run");
        task::all_ended().await;
        table.check();
    });
}

#[test]
fn a_run_has_its_effect_once_in_every_order() {
    check_with_mutants(
        two_processes,
        &[
            "a run that the job ended itself is taken for lost",
            "an aborted job is not waited for",
            "a holder that lost its lease commits",
            "a run that committed may be reported as failed",
            "a run that committed is recorded once more",
        ],
    );
}
