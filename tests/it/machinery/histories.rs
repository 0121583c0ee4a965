//! Histories of concurrent units, searched for isolation anomalies by a published checker (`adya`, which works like
//! Jepsen's Elle). Units append to lists and read them; every read shows the order of the appends before it.
//!
//! A list is a request whose description has its items.

use std::fmt::Write as _;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use adya::{History, Opts, Valid, Workload};
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, RequestChanges, Server};
use rylie_testkit::{Cluster, Replica, World};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::nemesis::Nemesis;
use crate::replicas::caught_up;
use crate::support::seed::{Random, length, seed};

const LISTS: usize = 5;
const PROCESSES: u64 = 8;
/// Enough committed units for a history to say something.
const ENOUGH: u64 = 50;
/// A busy machine gets this long for them.
const MOST_TIME: Duration = Duration::from_mins(1);

/// How a unit that writes reads.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Reads {
    /// With a lock, as a change that depends on what it read must.
    Locked,
    /// Without: the change of another unit is overwritten.
    Unlocked,
}

/// The lists, and what has happened to them.
struct Lists {
    store: Arc<dyn Store>,
    scope: TenantScope,
    ids: Vec<RequestId>,
    reads: Reads,
    /// The options of units that only read.
    reading: UnitOptions,
    operations: Mutex<Vec<Value>>,
    item: AtomicI64,
    process: AtomicI64,
    committed: AtomicU64,
}

impl Lists {
    async fn new(world: &World, store: Arc<dyn Store>, reads: Reads, reading: UnitOptions) -> Arc<Self> {
        let agency = world.agency().await.unwrap();
        let unit = agency.unit().await.unwrap();
        let mut ids = Vec::new();
        for number in 0..LISTS {
            ids.push(
                unit.requests().add(NewRequest::new(format!("list {number}"), RequestKind::Page)).await.unwrap().id,
            );
        }
        let position = unit.commit_with_position().await.unwrap();
        let reading = if reading == UnitOptions::default() { reading } else { reading.after(position) };
        let (operations, scope) = (Mutex::default(), agency.scope());
        let (item, process, committed) = (AtomicI64::new(1), AtomicI64::new(0), AtomicU64::new(0));
        Arc::new(Self { store, scope, ids, reads, reading, operations, item, process, committed })
    }

    /// Runs transactions one after the other until the time is over and enough are committed.
    async fn run(self: Arc<Self>, mut random: Random, time: Duration) {
        let began = tokio::time::Instant::now();
        let mut process = self.process.fetch_add(1, Ordering::Relaxed);
        let is_over = || began.elapsed() >= time && self.committed.load(Ordering::Relaxed) > ENOUGH;
        while !is_over() && began.elapsed() < time.max(MOST_TIME) {
            let writes = random.below(3) > 0;
            let mut wanted: Vec<(usize, Option<i64>)> = Vec::new();
            for _ in 0..=random.below(4) {
                let list = random.index(LISTS);
                let appends = writes && random.below(2) == 0;
                wanted.push((list, appends.then(|| self.item.fetch_add(1, Ordering::Relaxed))));
            }
            // In one order, so that units wait for each other and do not deadlock: the bank tests deadlocks.
            wanted.sort_by_key(|(list, _)| *list);
            self.note(process, "invoke", asked(&wanted)).await;
            match self.transaction(&wanted, writes).await {
                Ok(done) => {
                    self.committed.fetch_add(1, Ordering::Relaxed);
                    self.note(process, "ok", done).await;
                }
                Err(Error::OutcomeUnknown(_)) => {
                    self.note(process, "info", asked(&wanted)).await;
                    // A process with an unknown outcome is not used again.
                    process = self.process.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => self.note(process, "fail", asked(&wanted)).await,
            }
        }
    }

    async fn transaction(&self, wanted: &[(usize, Option<i64>)], writes: bool) -> Result<Value, Error> {
        let options = if writes { UnitOptions::default() } else { self.reading };
        let unit = self.store.open_tenant(&self.scope, options, Location::caller()).await?;
        let mut done = Vec::new();
        for (list, item) in wanted {
            let id = &self.ids[*list];
            let locks = writes && self.reads == Reads::Locked;
            let row = if locks { unit.requests().get_for_update(id).await? } else { unit.requests().get(id).await? };
            let mut text = row.description;
            if let Some(item) = item {
                write!(text, " {item}").unwrap();
                let changes = RequestChanges { description: Some(text), ..RequestChanges::default() };
                unit.requests().update(id, changes).await?;
                done.push(json!(["append", list, item]));
            } else {
                let items: Vec<i64> = text.split_whitespace().map(|item| item.parse().unwrap()).collect();
                done.push(json!(["r", list, items]));
            }
        }
        unit.commit().await?;
        Ok(done.into())
    }

    async fn note(&self, process: i64, kind: &str, value: Value) {
        let mut operations = self.operations.lock().await;
        let index = operations.len();
        operations.push(json!({ "index": index, "type": kind, "process": process, "value": value }));
    }

    /// Runs all processes, and returns the anomalies that this model forbids and the number of committed units.
    async fn check(self: &Arc<Self>, mut random: Random, time: Duration, model: &str) -> (Vec<String>, u64) {
        let processes =
            (0..PROCESSES).map(|_| tokio::spawn(Arc::clone(self).run(Random::new(random.below(u64::MAX)), time)));
        for process in futures_util::future::join_all(processes).await {
            process.unwrap();
        }
        let operations = self.operations.lock().await;
        let history = History::from_json(&Value::from(operations.clone()).to_string()).unwrap();
        let options = Opts { models: vec![model.to_owned()], ..Opts::default() };
        let report = adya::check(&history, Workload::ListAppend, &options);
        if report.valid != Valid::True {
            println!("{report:?}");
        }
        assert!(report.valid != Valid::Unknown, "{:?}", report.anomaly_types);
        (report.anomaly_types.iter().map(ToString::to_string).collect(), self.committed.load(Ordering::Relaxed))
    }
}

fn asked(wanted: &[(usize, Option<i64>)]) -> Value {
    let asked = wanted.iter().map(|(list, item)| match item {
        Some(item) => json!(["append", list, item]),
        None => json!(["r", list, null]),
    });
    asked.collect::<Vec<_>>().into()
}

fn time() -> Duration {
    Duration::from_secs(length("RYLIE_TEST_HISTORY_SECONDS", 4))
}

async fn is_strictly_serializable(world: World) {
    let random = Random::new(seed());
    let lists = Lists::new(&world, world.store(), Reads::Locked, UnitOptions::read_only()).await;
    let (anomalies, committed) = lists.check(random, time(), "strict-serializable").await;
    println!("{committed} committed units");
    assert_eq!(anomalies, Vec::<String>::new());
    assert!(committed > ENOUGH, "{committed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_lock_what_they_read_are_strictly_serializable_on_sqlite() {
    is_strictly_serializable(World::sqlite().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_lock_what_they_read_are_strictly_serializable_on_postgres() {
    is_strictly_serializable(World::postgres().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_lock_what_they_read_are_strictly_serializable_behind_a_pooler() {
    is_strictly_serializable(World::postgres_behind_pooler().await.unwrap()).await;
}

/// Without locks the checker finds lost updates: it would find them elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_do_not_lock_lose_updates_and_the_checker_finds_them() {
    let random = Random::new(seed());
    let world = World::postgres().await.unwrap();
    let lists = Lists::new(&world, world.store(), Reads::Unlocked, UnitOptions::read_only()).await;
    let (anomalies, committed) = lists.check(random, time(), "serializable").await;
    assert!(committed > ENOUGH && !anomalies.is_empty(), "{committed} committed units, {anomalies:?}");
}

/// Reads of a replica may be old, and are serializable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_a_replica_are_serializable() {
    let random = Random::new(seed());
    let cluster = Cluster::private().await.unwrap();
    let replica = Replica::of(&cluster).await.unwrap();
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let reading = UnitOptions { wait_for_replica: Duration::from_secs(2), ..UnitOptions::read_only() };
    let lists = Lists::new(&world, world.store(), Reads::Locked, reading).await;
    caught_up(&*lists.store, &lists.scope).await;
    let unit = lists.store.open_tenant(&lists.scope, lists.reading, Location::caller()).await.unwrap();
    assert_ne!(unit.server(), Server::Primary, "a replica serves the reads");
    drop(unit);
    let (anomalies, committed) = lists.check(random, time(), "serializable").await;
    println!("{committed} committed units");
    assert_eq!(anomalies, Vec::<String>::new());
    assert!(committed > ENOUGH, "{committed}");
}

/// Units that fail are absent, and units with an unknown outcome are whole or absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_under_every_fault_are_strictly_serializable() {
    let mut random = Random::new(seed());
    let nemesis = Nemesis::new(false).await;
    let database = nemesis.connect(8).await;
    let lists = Lists::new(&nemesis.world, database.store(), Reads::Locked, UnitOptions::read_only()).await;
    let rage = nemesis.rage(Random::new(random.below(u64::MAX)), time());
    let ((anomalies, committed), caused) =
        tokio::join!(lists.check(random.clone(), time() * 2, "strict-serializable"), rage);
    println!("{committed} committed units, {caused:?}");
    assert_eq!(anomalies, Vec::<String>::new());
    assert!(committed > ENOUGH, "{committed}");
}
