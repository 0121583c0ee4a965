//! Measures the adoption of a live database under random updates: its duration, and the longest wait of a writer.
//!
//! ```text
//! cargo bench -p rylie-tests --bench adoption                  # 1,000 tasks
//! cargo bench -p rylie-tests --bench adoption -- 100 1000000   # for each of these numbers of tasks
//! ```
//!
//! Uses a throw-away PostgreSQL, or `RYLIE_TEST_DATABASE_URL`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rylie_migration::{AdoptOptions, Engine, MIGRATIONS, Migrations};
use rylie_testkit::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const WRITERS: u64 = 2;

#[tokio::main]
async fn main() -> Outcome<()> {
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    println!("| tasks | adoption | updates meanwhile | longest update | longest update before | size | size after |");
    println!("| --: | --: | --: | --: | --: | --: | --: |");
    for tasks in if sizes.is_empty() { vec![1_000] } else { sizes } {
        measure(tasks).await?;
    }
    Ok(())
}

async fn measure(tasks: u32) -> Outcome<()> {
    let database = Cluster::shared().await?.empty_database().await?;
    let url = database.url();
    let mut sql = PgConnection::connect(&url).await?;
    for step in MIGRATIONS[0].up(Engine::Postgres) {
        run(&mut sql, step.statement()).await?;
    }
    run(&mut sql, &rows(tasks)).await?;
    run(&mut sql, "VACUUM ANALYZE").await?;

    let calm = Writers::start(&url, tasks);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = calm.stop().await?;
    let size = size_in_mb(&mut sql).await?;
    let writers = Writers::start(&url, tasks);
    let began = Instant::now();
    Migrations::connect(&url).await?.adopt(AdoptOptions::default(), &mut |_| ()).await?;
    let took = began.elapsed();
    let during = writers.stop().await?;
    println!(
        "| {tasks} | {:.1} s | {} | {} ms | {} ms | {size} MB | {} MB |",
        took.as_secs_f64(),
        during.updates,
        during.longest.as_millis(),
        before.longest.as_millis(),
        size_in_mb(&mut sql).await?
    );
    Ok(())
}

async fn size_in_mb(sql: &mut PgConnection) -> Outcome<i64> {
    let size = "SELECT pg_database_size(current_database()) / 1000000";
    Ok(sqlx::query_scalar(size).fetch_one(sql).await?)
}

/// Builds rows: three tasks a request, ten requests a user, a hundred users an agency.
fn rows(tasks: u32) -> String {
    format!(
        "INSERT INTO \"Agency\" (id, name, \"updatedAt\") SELECT 'a' || n, 'n', now() FROM generate_series(0, {tasks} / 3000) n; \
         INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") \
         SELECT 'u' || n, 'u' || n, 'a' || n / 100, now() FROM generate_series(0, {tasks} / 30) n; \
         INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
         SELECT 'r' || lpad(n::text, 9, '0'), 'u' || n / 10, 'a' || n / 1000, 'title', repeat('description ', 20), 'page', now() \
         FROM generate_series(0, {tasks} / 3) n; \
         INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, description, type, \"updatedAt\") \
         SELECT 't' || lpad(n::text, 9, '0'), 'u' || n / 30, 'r' || lpad((n / 3)::text, 9, '0'), 'title', repeat('note ', 10), 'PAGE', now() \
         FROM generate_series(0, {tasks} - 1) n"
    )
}

async fn run(sql: &mut PgConnection, statement: &str) -> Outcome<()> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(sql).await?;
    Ok(())
}

/// The concurrent writes of the old service.
struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Outcome<Written>>>,
}

#[derive(Default)]
struct Written {
    updates: u64,
    longest: Duration,
}

impl Writers {
    fn start(url: &str, tasks: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS).map(|seed| tokio::spawn(write(url.to_owned(), tasks, seed, Arc::clone(&stop))));
        Self { tasks: writers.collect(), stop }
    }

    async fn stop(self) -> Outcome<Written> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Written::default();
        for task in self.tasks {
            let one = task.await??;
            all = Written { updates: all.updates + one.updates, longest: all.longest.max(one.longest) };
        }
        Ok(all)
    }
}

async fn write(url: String, tasks: u32, seed: u64, stop: Arc<AtomicBool>) -> Outcome<Written> {
    let mut sql = PgConnection::connect(&url).await?;
    let (mut written, mut random) = (Written::default(), seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    while !stop.load(Ordering::Relaxed) {
        // xorshift64: sufficient to scatter the updates.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let id = format!("t{:09}", random % u64::from(tasks));
        let began = Instant::now();
        sqlx::query("UPDATE \"Task\" SET \"completedNotes\" = 'n', \"updatedAt\" = now() WHERE id = $1")
            .bind(id)
            .execute(&mut sql)
            .await?;
        written.longest = written.longest.max(began.elapsed());
        written.updates += 1;
    }
    Ok(written)
}
