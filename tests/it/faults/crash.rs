//! Kills a server under writers, and restarts it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{Cluster, World};
use tokio::sync::Mutex;

use super::request;
use crate::support::sql::Sql;

const WRITERS: u64 = 16;

/// Returns the milliseconds between the first write and the crash: random, or from `RYLIE_SEED`.
fn moment() -> u64 {
    let seed = std::env::var("RYLIE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("RYLIE_SEED={seed}");
    100 + seed % 400
}

/// The outcomes that writers got: a request with a task is one unit.
#[derive(Default)]
struct Reported {
    acknowledged: Mutex<BTreeSet<String>>,
    /// Certainly not committed.
    lost: Mutex<BTreeSet<String>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_what_it_acknowledged_and_the_pool_heals() {
    let cluster = Cluster::private_durable().await.unwrap();
    let world = World::postgres_of(&cluster).await.unwrap();
    let scope = world.agency().await.unwrap().scope();
    let settings = [("max_connections", "8"), ("network_timeout_seconds", "2"), ("acquire_timeout_seconds", "2")];
    let database = Arc::new(world.connect_with_settings(&settings).await.unwrap());
    let (done, count) = (Arc::new(AtomicBool::default()), Arc::new(AtomicU64::default()));
    let reported: Arc<Reported> = Arc::default();

    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (database, scope, reported) = (Arc::clone(&database), scope.clone(), Arc::clone(&reported));
            let (done, count) = (Arc::clone(&done), Arc::clone(&count));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let title = format!("w{}", count.fetch_add(1, Ordering::Relaxed));
                    match write(&*database.store(), &scope, &title).await {
                        Ok(()) => drop(reported.acknowledged.lock().await.insert(title)),
                        Err(Error::OutcomeUnknown(_)) => {}
                        Err(Error::ConnectionLost(_)) => drop(reported.lost.lock().await.insert(title)),
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    while reported.acknowledged.lock().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(moment())).await;

    cluster.crash().await.unwrap();
    let before = reported.acknowledged.lock().await.clone();
    while reported.lost.lock().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster.start_again().await.unwrap();
    let back = Instant::now();
    while reported.acknowledged.lock().await.len() <= before.len() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let healed = back.elapsed();
    done.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }

    assert!(healed < Duration::from_secs(5), "{healed:?}");
    let mut sql = Sql::connect(world.url()).await;
    let kept: BTreeSet<_> = sql.all("SELECT title FROM \"Request\"").await.into_iter().collect();
    let (acknowledged, lost) = (reported.acknowledged.lock().await, reported.lost.lock().await);
    assert!(!before.is_empty() && acknowledged.is_subset(&kept), "{:?}", acknowledged.difference(&kept));
    assert!(lost.is_disjoint(&kept), "{:?}", lost.intersection(&kept));
    let halves = "SELECT count(*)::text FROM \"Request\" r WHERE NOT EXISTS (SELECT FROM \"Task\" t WHERE t.\"requestId\" = r.id)";
    assert_eq!(sql.one(halves).await, "0", "what is there is complete");
}

async fn write(store: &dyn Store, scope: &TenantScope, title: &str) -> Result<(), Error> {
    let unit = store.tenant(scope).await?;
    unit.requests().add_with_tasks(request(title), vec![NewTask::new("a", TaskType::Page)]).await?;
    unit.commit().await
}
