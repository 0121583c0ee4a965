//! What recording, sealing and verifying cost. Measured, not asserted:
//! `cargo test --release -p rylie-tests audit_bars -- --ignored --nocapture --test-threads=1`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rylie_db::audit::{SigningKey, Verifier};
use rylie_db::maintenance::{seal_audit, verify_audit};
use rylie_db::prelude::*;
use rylie_db::repositories::RequestChanges;
use rylie_testkit::{TestAgency, World};

use crate::migration::sql::Sql;

const RUNS: usize = 7;

fn key() -> SigningKey {
    let folder = tempfile::tempdir().unwrap();
    SigningKey::create(&folder.path().join("key")).unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A unit that changes a request, and records it if asked to.
async fn write(store: &dyn Store, scope: &TenantScope, request: &RequestId, recorded: bool) {
    let unit = store.tenant(scope).await.unwrap();
    let changes = RequestChanges { title: Some("Another title".into()), ..Default::default() };
    unit.requests().update(request.clone(), changes).await.unwrap();
    if recorded {
        let event = Event::new(Action::Restored).on("Request", request).changed("title", "One", "Another title");
        unit.audit().record(event).await.unwrap();
    }
    unit.commit().await.unwrap();
}

async fn requests(agency: &TestAgency<'_>, count: usize) -> Vec<RequestId> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(agency.request().await.unwrap().id);
    }
    made
}

#[tokio::test]
#[ignore = "a benchmark"]
async fn an_audited_write_beside_a_bare_one() {
    for world in [World::sqlite().await.unwrap(), World::postgres().await.unwrap()] {
        let agency = world.agency().await.unwrap();
        let request = requests(&agency, 1).await.remove(0);
        let (store, scope) = (world.store(), agency.scope());
        let mut times = [Vec::new(), Vec::new()];
        for run in 0..RUNS * 2 {
            let start = Instant::now();
            for _ in 0..300 {
                write(&*store, &scope, &request, run % 2 == 1).await;
            }
            times[run % 2].push(start.elapsed().as_secs_f64() / 300.0 * 1e6);
        }
        let [bare, audited] = times.map(median);
        println!("{}: bare {bare:.0} µs, audited {audited:.0} µs, ratio {:.2}", &world.url()[..6], audited / bare);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a benchmark"]
async fn sixteen_writers_with_and_without_sealing() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let requests = requests(&agency, 16).await;
    let (mut rates, key) = ([Vec::new(), Vec::new()], Arc::new(key()));
    let config = Config::builder().set("database_url", world.url()).unwrap().set("max_connections", "20").unwrap();
    let database = Database::connect(config.build().unwrap()).await.unwrap();
    for run in 0..RUNS * 2 {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks: Vec<_> = requests
            .iter()
            .map(|request| {
                let (stop, written, request) = (Arc::clone(&stop), Arc::clone(&written), request.clone());
                let (store, scope) = (database.store(), agency.scope());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        write(&*store, &scope, &request, true).await;
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        if run % 2 == 1 {
            let (stop, key, store) = (Arc::clone(&stop), Arc::clone(&key), database.store());
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    seal_audit(&*store, &key, &[]).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        rates[run % 2].push(written.load(Ordering::Relaxed) as f64 / 3.0);
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        // Each run begins with nothing waiting.
        seal_audit(&*database.store(), &key, &[]).await.unwrap();
    }
    let [without, with] = rates.map(median);
    println!("16 writers: {without:.0}/s without sealing, {with:.0}/s with, {:.0} %", with / without * 100.0);
}

#[tokio::test]
#[ignore = "a benchmark"]
async fn a_million_records_verified() {
    let records: u64 = std::env::var("RYLIE_RECORDS").map_or(1_000_000, |text| text.parse().unwrap());
    let world = World::postgres().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let insert = format!(
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"resourceId\", details, \"ipAddress\", \"userAgent\") \
         SELECT 'r' || i, 'user' || i % 1000, 'DELETED', 'Request', 'q' || i, '{{\"changes\": {{\"title\": {{\"from\": \"a\", \"to\": \"b\"}}}}}}', \
         '203.0.113.9', 'Mozilla/5.0' FROM generate_series(1, {records}) i"
    );
    sql.run(&insert).await;
    sql.run("ANALYZE").await;
    let start = Instant::now();
    let sealed = seal_audit(&*world.store(), &key(), &[]).await.unwrap().records;
    println!("sealed {sealed} records in {:.1?}", start.elapsed());
    sql.run("ANALYZE").await;
    let (start, reader) = (Instant::now(), world.database().audit_reader().await.unwrap());
    let verification = verify_audit(&reader, Verifier::new(&[], vec![]), &mut |_| ()).await.unwrap();
    let took = start.elapsed();
    assert_eq!(verification.first_bad, None);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("unknown");
    let rate = verification.seen.records as f64 / took.as_secs_f64();
    println!(
        "verified {} records in {took:.1?}: {rate:.0}/s; peak of the whole test: {peak}",
        verification.seen.records
    );
}
