//! Measures the cost of recording, and of sealing to those who record: audited and plain writes, then sixteen writers with
//! and without sealing. `cargo run --release -p rylie-bench -- audit` measures sealing and verifying by themselves.
//!
//! ```text
//! cargo bench -p rylie-tests --bench audit
//! ```
//!
//! Uses throw-away databases, or `RYLIE_TEST_DATABASE_URL`. Rounds alternate; medians are printed.

#![expect(clippy::cast_precision_loss, reason = "counts of rows, to be shown")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rylie_db::audit::SigningKey;
use rylie_db::maintenance::seal_audit;
use rylie_db::prelude::*;
use rylie_db::repositories::RequestChanges;
use rylie_testkit::{TestAgency, World};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const ROUNDS: usize = 7;

/// The number of writes in a round. SQLite checkpoints its write-ahead log about once in that many.
const SHORT_ROUNDS: usize = 21;
const WRITES: usize = 100;

#[tokio::main]
async fn main() -> Outcome<()> {
    audited_beside_bare().await?;
    writers_with_and_without_sealing().await
}

/// A unit of work of the platform, with and without its record. The first is the smallest write of a tenant: one column
/// without an index.
#[derive(Clone, Copy, Debug)]
enum Write {
    Title,
    Status,
    Request,
}

/// Compares both variants. They begin, commit and flush to disk alike, on the same rows of the same database.
async fn audited_beside_bare() -> Outcome<()> {
    for world in [World::sqlite().await?, World::postgres().await?] {
        let agency = world.agency().await?;
        let request = requests(&agency, 1).await?.remove(0);
        // The origin of a service's call, so that every column of the record is filled.
        let origin = Origin {
            address: Some([203, 0, 113, 9].into()),
            user_agent: Some("Mozilla/5.0".into()),
            correlation: Some("0199f0c4-7d11-7f00-9d4e-000000000001".into()),
        };
        let (store, scope) = (world.store(), TenantScope::of(&agency.admin.signed_in, origin));
        for kind in [Write::Title, Write::Status, Write::Request] {
            let mut times = [Vec::new(), Vec::new()];
            for round in 0..SHORT_ROUNDS * 2 {
                let begun = Instant::now();
                for number in 0..WRITES {
                    kind.run(&*store, &scope, &request, number, round % 2 == 1).await?;
                }
                times[round % 2].push(begun.elapsed().as_secs_f64() / WRITES as f64 * 1e6);
            }
            let [bare, audited] = times.map(median);
            let ratio = audited / bare;
            println!("{} {kind:?}: bare {bare:.0} µs, audited {audited:.0} µs: {ratio:.2} times", engine(world.url()));
        }
    }
    Ok(())
}

impl Write {
    async fn run(
        self,
        store: &dyn Store,
        scope: &TenantScope,
        request: &RequestId,
        number: usize,
        recorded: bool,
    ) -> Outcome<()> {
        let unit = store.tenant(scope).await?;
        match self {
            Self::Title => {
                // The title changes each time: SQLite writes nothing, and waits for no disk, if a row stays the same.
                let changes = RequestChanges { title: Some(format!("Title {number}")), ..Default::default() };
                unit.requests().update(request, changes).await?;
            }
            Self::Status => {
                let status = if number.is_multiple_of(2) { RequestStatus::InProgress } else { RequestStatus::Pending };
                unit.requests().set_status(request, status).await?;
            }
            Self::Request => {
                let new = NewRequest::new("A title", RequestKind::Page);
                unit.requests().add(new).await?;
            }
        }
        if recorded {
            let event = Event::new(Action::Restored).on(request).changed("title", "One", "Another title");
            unit.audit().record(event).await?;
        }
        Ok(unit.commit().await?)
    }
}

async fn writers_with_and_without_sealing() -> Outcome<()> {
    let (world, key) = (World::postgres().await?, Arc::new(key()?));
    let agency = world.agency().await?;
    let requests = requests(&agency, 16).await?;
    let config = Config::builder().set("database_url", world.url())?.set("max_connections", "20")?.build()?;
    let database = Database::connect(config).await?;
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS * 2 {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for request in requests.clone() {
            let (stop, written, store, scope) =
                (Arc::clone(&stop), Arc::clone(&written), database.store(), agency.scope());
            tasks.push(tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    Write::Title.run(&*store, &scope, &request, number, true).await?;
                    written.fetch_add(1, Ordering::Relaxed);
                }
                Outcome::Ok(())
            }));
        }
        if round % 2 == 1 {
            let (stop, key, store) = (Arc::clone(&stop), Arc::clone(&key), database.store());
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    seal_audit(&*store, &key, &[]).await?;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(())
            }));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        rates[round % 2].push(written.load(Ordering::Relaxed) as f64 / 3.0);
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await??;
        }
        // Each round begins without unsealed records.
        seal_audit(&*database.store(), &key, &[]).await?;
    }
    let [without, with] = rates.map(median);
    let percent = with / without * 100.0;
    println!(
        "16 writers on one tenant: {without:.0}/s without sealing, {with:.0}/s with it every half second: {percent:.0} %"
    );
    Ok(())
}

async fn requests(agency: &TestAgency<'_>, count: usize) -> Outcome<Vec<RequestId>> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(agency.request().await?.id);
    }
    Ok(made)
}

fn key() -> Outcome<SigningKey> {
    let folder = tempfile::tempdir()?;
    Ok(SigningKey::create(&folder.path().join("key"))?)
}

fn engine(url: &str) -> &str {
    url.split(':').next().unwrap_or(url)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
