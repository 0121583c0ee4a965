//! Works for a long time, and measures that memory, file handles and the server's sessions stay flat.
//!
//! `RYLIE_TEST_SOAK_SECONDS` sets the length for each engine: some seconds in a test run, an hour before a release. It is
//! a process of its own, because it measures the process. Memory and handles are read from `/proc`, so it runs on Linux.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rylie_db::Database;
use rylie_db::prelude::*;
use rylie_testkit::World;
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

/// The tests measure the process, so they take turns.
static TURN: Mutex<()> = Mutex::const_new(());

const TASKS: u64 = 8;
const CONNECTIONS: u32 = 4;
/// Memory that an allocator may take and keep without a leak.
const SLACK: u64 = 24 << 20;

/// What the process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    memory: u64,
    handles: usize,
}

impl Held {
    fn now() -> Self {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let resident: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        Self { memory: resident * 4096, handles: std::fs::read_dir("/proc/self/fd").unwrap().count() }
    }
}

struct Work {
    database: Database,
    scope: TenantScope,
    rounds: AtomicU64,
    cancelled: AtomicU64,
    done: AtomicBool,
}

impl Work {
    /// Adds, reads, changes and removes; leaves one unit without a commit.
    async fn round(&self) -> Result<(), rylie_db::repositories::Error> {
        let store = self.database.store();
        let unit = store.tenant(&self.scope).await?;
        let tasks = vec![NewTask::new("one", TaskType::Page), NewTask::new("two", TaskType::Blog)];
        let made = unit.requests().add_with_tasks(NewRequest::new("soak", RequestKind::Page), tasks).await?;
        let part = unit.savepoint().await?;
        unit.requests().add(NewRequest::new("undone", RequestKind::Page)).await?;
        part.undo().await?;
        unit.commit().await?;

        let unit = store.tenant(&self.scope).read_only().await?;
        unit.requests().list(RequestFilter::default(), PageRequest::default()).await?;
        unit.requests().get_with_tasks(&made.request.id).await?;
        drop(unit);

        let unit = store.tenant(&self.scope).await?;
        unit.requests().remove(&made.request.id).await?;
        unit.commit().await
    }

    /// Works until the end. Every third caller gives up early.
    async fn work(&self) {
        for number in 0_u64.. {
            if self.done.load(Ordering::Relaxed) {
                return;
            }
            let patience = if number % 3 == 0 { number % 12 } else { 60_000 };
            match tokio::time::timeout(Duration::from_millis(patience), self.round()).await {
                Ok(outcome) => {
                    outcome.unwrap();
                    self.rounds.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    self.cancelled.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

fn length() -> Duration {
    let given = std::env::var("RYLIE_TEST_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(9))
}

/// Works, and returns what the process held after a third of the time and at the end, while it worked.
async fn held(world: &World) -> (Held, Held) {
    let _turn = TURN.lock().await;
    let agency = world.agency().await.unwrap();
    let database = world.connect_again(CONNECTIONS).await.unwrap();
    let (rounds, cancelled, done) = (AtomicU64::default(), AtomicU64::default(), AtomicBool::default());
    let work = Arc::new(Work { database, scope: agency.scope(), rounds, cancelled, done });
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let work = Arc::clone(&work);
            tokio::spawn(async move { work.work().await })
        })
        .collect();
    let (began, length) = (Instant::now(), length());
    tokio::time::sleep(length / 3).await;
    let before = most(length / 6).await;
    tokio::time::sleep(length.saturating_sub(began.elapsed()).saturating_sub(length / 6)).await;
    let after = most(length / 6).await;
    work.done.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let (rounds, cancelled) = (work.rounds.load(Ordering::Relaxed), work.cancelled.load(Ordering::Relaxed));
    println!("{rounds} rounds, {cancelled} cancelled, held {before:?}, then {after:?}");
    assert!(rounds > 20 && cancelled > 5, "the work was too little to say something");
    work.database.clone().close().await;
    (before, after)
}

/// Returns the most that the process holds within this time.
async fn most(length: Duration) -> Held {
    let began = Instant::now();
    let mut most = Held::now();
    while began.elapsed() < length {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = Held::now();
        most = Held { memory: most.memory.max(now.memory), handles: most.handles.max(now.handles) };
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_handles_stay_flat_on_sqlite() {
    let world = World::sqlite().await.unwrap();
    assert_flat(held(&world).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_handles_and_sessions_stay_flat_on_postgres() {
    let world = World::postgres().await.unwrap();
    world.agency().await.unwrap();
    let mut admin = PgConnection::connect(world.url()).await.unwrap();
    let before = sessions(&mut admin).await;

    assert_flat(held(&world).await);

    // The server needs a moment to end the sessions of the closed pool.
    let mut after = sessions(&mut admin).await;
    for _ in 0..100 {
        if after <= before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = sessions(&mut admin).await;
    }
    assert!(after <= before, "{before} sessions became {after}");
}

#[track_caller]
fn assert_flat((before, after): (Held, Held)) {
    assert!(after.handles <= before.handles + 2, "file handles grew from {before:?} to {after:?}");
    let bound = before.memory + before.memory / 10 + SLACK;
    assert!(after.memory <= bound, "memory grew from {before:?} to {after:?}");
}

async fn sessions(admin: &mut PgConnection) -> i64 {
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'";
    sqlx::query_scalar(sql).fetch_one(admin).await.unwrap()
}
