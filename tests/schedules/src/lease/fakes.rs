//! The store, with one row of the table of runs. Its statements have the conditions of
//! `crates/repositories/src/operations/job_runs.rs`.
//!
//! This file is long because the row and the units on it are one model.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use shuttle::future::yield_now;

use crate::time::Instant;
use crate::tokio::sync::{OwnedSemaphorePermit, Semaphore};
use crate::{chance, number};

pub(crate) type Result<T> = std::result::Result<T, Error>;
pub(crate) type StoreResult<T> = std::result::Result<T, Lost>;

#[derive(Debug)]
pub(crate) struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is lost")
    }
}

impl std::error::Error for Lost {}

#[derive(Debug)]
pub(crate) enum Error {
    LeaseLost,
    Store(Lost),
}

impl Error {
    pub(crate) fn doing(_: &'static str) -> impl Fn(Lost) -> Self {
        Self::Store
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Error {}

pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    error.to_string()
}

#[derive(Default)]
pub(crate) struct Retry;

pub(crate) async fn retry<T, W>(_: Retry, work: impl Fn() -> W) -> StoreResult<T>
where
    W: Future<Output = StoreResult<T>>,
{
    let mut done = work().await;
    for _ in 0..2 {
        if done.is_ok() {
            break;
        }
        done = work().await;
    }
    done
}

pub(crate) struct JobRun {
    attempt: i64,
    pub(crate) status: RunStatus,
}

impl JobRun {
    pub(crate) fn lease(&self) -> Lease {
        lease(self.attempt)
    }
}

fn lease(attempt: i64) -> Lease {
    Lease { job: "once".to_owned(), due: DateTime::UNIX_EPOCH, attempt }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Lease {
    pub(crate) job: String,
    pub(crate) due: DateTime<Utc>,
    pub(crate) attempt: i64,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum RunStatus {
    #[default]
    Due,
    Running,
    Done,
    Failed,
}

#[derive(Default)]
struct Row {
    status: RunStatus,
    attempt: i64,
    until: Option<Instant>,
    effects: u32,
    /// The attempt whose commit of the effect is answered.
    acknowledged: Option<i64>,
    errors: bool,
}

pub(crate) struct Table {
    row: Mutex<Row>,
    /// PostgreSQL's lock of the row, which a unit keeps to its end.
    lock: Arc<Semaphore>,
}

impl Default for Table {
    fn default() -> Self {
        Self { row: Mutex::default(), lock: Arc::new(Semaphore::new(1)) }
    }
}

impl Table {
    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap()
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.row().status, RunStatus::Done | RunStatus::Failed)
    }

    fn lost<T>(&self) -> StoreResult<T> {
        self.row().errors = true;
        Err(Lost)
    }

    pub(crate) fn had_errors(&self) -> bool {
        self.row().errors
    }

    /// Whether this attempt has committed the effect, and is told so unless it is stopped.
    pub(crate) fn acknowledged(&self, attempt: i64) -> bool {
        self.row().acknowledged == Some(attempt)
    }

    fn is_held(&self, lease: &Lease) -> bool {
        let row = self.row();
        row.status == RunStatus::Running && row.attempt == lease.attempt
    }

    pub(crate) fn check(&self) {
        let row = self.row();
        assert_eq!(row.effects, u32::from(row.status == RunStatus::Done), "{:?}", row.status);
    }

    /// In one statement and its commit, as the scheduler's unit.
    pub(crate) async fn claim_or_take_over(&self, lease: Duration) -> Option<Lease> {
        let _lock = Arc::clone(&self.lock).acquire_owned().await.unwrap();
        yield_now().await;
        let mut row = self.row();
        let expired = row.until.is_some_and(|until| until <= Instant::now());
        if !(row.status == RunStatus::Due || (row.status == RunStatus::Running && expired)) {
            return None;
        }
        row.status = RunStatus::Running;
        row.attempt += 1;
        row.until = Some(Instant::now() + lease);
        Some(self::lease(row.attempt))
    }

    pub(crate) fn unit_with_the_effect(self: &Arc<Self>) -> Box<dyn PlatformUnit> {
        Box::new(Unit { effects: 1, ..Unit::new(self) })
    }
}

pub(crate) trait Store: Send + Sync {
    fn unit(&self) -> Unit;
}

impl Store for Arc<Table> {
    fn unit(&self) -> Unit {
        Unit::new(self)
    }
}

#[async_trait]
pub(crate) trait StoreExt {
    async fn operations(&self) -> StoreResult<Unit>;
}

#[async_trait]
impl StoreExt for Arc<dyn Store> {
    async fn operations(&self) -> StoreResult<Unit> {
        yield_now().await;
        if chance(40) { self.unit().table.lost() } else { Ok(self.unit()) }
    }
}

#[async_trait]
pub(crate) trait PlatformUnit: Send {
    fn job_runs(&self) -> &Unit;
    async fn commit(self: Box<Self>) -> StoreResult<()>;
}

/// A unit: its changes apply with its commit.
pub(crate) struct Unit {
    table: Arc<Table>,
    changes: Mutex<Vec<Change>>,
    lock: Mutex<Option<OwnedSemaphorePermit>>,
    effects: u32,
}

enum Change {
    Until(Instant),
    Ended(RunStatus),
}

impl Unit {
    fn new(table: &Arc<Table>) -> Self {
        Self { table: Arc::clone(table), changes: Mutex::default(), lock: Mutex::default(), effects: 0 }
    }

    pub(crate) fn job_runs(&self) -> &Self {
        self
    }

    /// Changes the row if the lease is still held.
    async fn change(&self, held: &Lease, change: impl FnOnce() -> Change) -> StoreResult<bool> {
        yield_now().await;
        if chance(40) {
            return self.table.lost();
        }
        let lock = Arc::clone(&self.table.lock).acquire_owned().await.unwrap();
        let holds = self.table.is_held(held);
        if holds {
            *self.lock.lock().unwrap() = Some(lock);
            self.changes.lock().unwrap().push(change());
        }
        yield_now().await;
        Ok(holds)
    }

    pub(crate) async fn prolong(&self, held: &Lease, lease: Duration) -> StoreResult<bool> {
        self.change(held, || Change::Until(Instant::now() + lease)).await
    }

    pub(crate) async fn release(&self, held: &Lease) -> StoreResult<()> {
        self.change(held, || Change::Until(Instant::now())).await.map(drop)
    }

    pub(crate) async fn last_run(&self, _: &str) -> StoreResult<Option<JobRun>> {
        yield_now().await;
        let row = self.table.row();
        Ok(Some(JobRun { attempt: row.attempt, status: row.status }))
    }

    pub(crate) async fn finish(&self, held: &Lease, error: Option<&str>) -> StoreResult<bool> {
        let status = if error.is_some() { RunStatus::Failed } else { RunStatus::Done };
        self.change(held, || Change::Ended(status)).await
    }

    /// Fails before the commit, or after it.
    pub(crate) async fn commit(self) -> StoreResult<()> {
        yield_now().await;
        if chance(40) {
            return self.table.lost();
        }
        let answered = !chance(40);
        self.apply(answered);
        // The server frees the row before the answer arrives.
        drop(self.lock.lock().unwrap().take());
        for _ in 0..number(12) {
            yield_now().await;
        }
        if answered { Ok(()) } else { self.table.lost() }
    }

    fn apply(&self, answered: bool) {
        let mut row = self.table.row();
        if answered && self.effects > 0 {
            row.acknowledged = Some(row.attempt);
        }
        for change in self.changes.lock().unwrap().drain(..) {
            match change {
                Change::Until(until) => row.until = Some(until),
                Change::Ended(status) => row.status = status,
            }
        }
        row.effects += self.effects;
        assert!(row.effects <= 1, "the run had its effect twice");
    }
}

#[async_trait]
impl PlatformUnit for Unit {
    fn job_runs(&self) -> &Unit {
        self
    }

    async fn commit(self: Box<Self>) -> StoreResult<()> {
        (*self).commit().await
    }
}
