//! Compares closing billing periods with the loop of the old service: one statement per user, in one transaction.
//!
//! ```text
//! cargo bench -p rylie-tests --bench close_usage            # both with 10,000 users, in turns
//! cargo bench -p rylie-tests --bench close_usage 1000000    # ours alone with so many, and the memory it took
//! ```
//!
//! Uses a throw-away PostgreSQL, or `RYLIE_TEST_DATABASE_URL`.

#![expect(clippy::cast_precision_loss, reason = "counts of rows, to be shown")]

mod memory;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rylie_db::maintenance::{Sweep, close_usage};
use rylie_testkit::World;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const ROUNDS: usize = 5;
const USERS: u64 = 10_000;

#[tokio::main]
async fn main() -> Outcome<()> {
    let users = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    match users {
        Some(users) => alone(users).await,
        None => side_by_side().await,
    }
}

async fn side_by_side() -> Outcome<()> {
    let world = World::postgres().await?;
    let mut sql = PgConnection::connect(world.url()).await?;
    fill(&mut sql, USERS).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        end_all(&mut sql).await?;
        let began = Instant::now();
        let closed = close_usage(&*world.store(), None, &Sweep::default()).await?.users;
        ours.push(began.elapsed());
        check(&mut sql, closed, USERS).await?;

        end_all(&mut sql).await?;
        let began = Instant::now();
        let closed = loop_of_the_old_service(&mut sql).await?;
        theirs.push(began.elapsed());
        check(&mut sql, closed, USERS).await?;
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!(
        "{USERS} users, median of {ROUNDS} rounds in turns: ours {ours:.1?}, a statement a user {theirs:.1?}: {ratio:.1} times"
    );
    Ok(())
}

async fn alone(users: u64) -> Outcome<()> {
    let world = World::postgres().await?;
    let mut sql = PgConnection::connect(world.url()).await?;
    fill(&mut sql, users).await?;
    end_all(&mut sql).await?;
    let before = memory::resident_kib()?;
    let began = Instant::now();
    let closed = close_usage(&*world.store(), None, &Sweep::default()).await?.users;
    let took = began.elapsed();
    let peak = memory::resident_kib()?;
    check(&mut sql, closed, users).await?;
    let each = took.as_secs_f64() * 1e6 / users as f64;
    println!("{users} users in {took:.1?}, {each:.1} µs each; at most {peak} KiB resident, {before} KiB before");
    Ok(())
}

async fn fill(sql: &mut PgConnection, users: u64) -> Outcome<()> {
    run(sql, &format!(
        r#"INSERT INTO "User" (id, email, "activePackageType", "updatedAt")
           SELECT 'u' || lpad(i::text, 24, '0'), i || '@example.com', (ARRAY['SILVER','GOLD','PLATINUM'])[1 + i % 3]::"PackageType", now()
           FROM generate_series(1, {users}) i"#
    ))
    .await?;
    run(sql, "VACUUM ANALYZE").await
}

/// Ends all periods by the world's clock, with used counters.
async fn end_all(sql: &mut PgConnection) -> Outcome<()> {
    run(sql, r#"TRUNCATE "MonthlyUsage""#).await?;
    run(sql, r#"UPDATE "User" SET "currentBillingPeriodStart" = '2025-12-10', "currentBillingPeriodEnd" = '2026-01-10',
        "pagesUsedThisPeriod" = 3, "blogsUsedThisPeriod" = 2, "gbpPostsUsedThisPeriod" = 1, "improvementsUsedThisPeriod" = 4"#).await?;
    run(sql, "VACUUM ANALYZE").await?;
    run(sql, "CHECKPOINT").await
}

/// Reads every user, inserts an archived row for each by a separate statement, and resets all by one more.
async fn loop_of_the_old_service(sql: &mut PgConnection) -> Outcome<u64> {
    let now: DateTime<Utc> = "2026-01-15T12:00:00Z".parse()?;
    let mut tx = sql.begin().await?;
    let users = sqlx::query(
        r#"SELECT id, "activePackageType"::text, "pagesUsedThisPeriod", "blogsUsedThisPeriod", "gbpPostsUsedThisPeriod",
           "improvementsUsedThisPeriod" FROM "User" WHERE "activePackageType" IS NOT NULL"#,
    )
    .fetch_all(&mut *tx)
    .await?;
    for (number, user) in users.iter().enumerate() {
        sqlx::query(
            r#"INSERT INTO "MonthlyUsage" (id, "userId", month, year, "packageType", "pagesUsed", "blogsUsed", "gbpPostsUsed",
               "improvementsUsed", "archivedAt") VALUES ($1, $2, 12, 2025, $3::text::"PackageType", $4, $5, $6, $7, $8) RETURNING id"#,
        )
        .bind(format!("m{number:024}"))
        .bind(user.try_get::<&str, _>(0)?)
        .bind(user.try_get::<&str, _>(1)?)
        .bind(user.try_get::<i32, _>(2)?)
        .bind(user.try_get::<i32, _>(3)?)
        .bind(user.try_get::<i32, _>(4)?)
        .bind(user.try_get::<i32, _>(5)?)
        .bind(now.naive_utc())
        .fetch_one(&mut *tx)
        .await?;
    }
    sqlx::query(
        r#"UPDATE "User" SET "pagesUsedThisPeriod" = 0, "blogsUsedThisPeriod" = 0, "gbpPostsUsedThisPeriod" = 0,
           "improvementsUsedThisPeriod" = 0, "currentBillingPeriodStart" = $1, "currentBillingPeriodEnd" = $1 + interval '1 month'
           WHERE "activePackageType" IS NOT NULL"#,
    )
    .bind(now.naive_utc())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(users.len() as u64)
}

/// Checks that the work was done, so that no incomplete run is measured.
async fn check(sql: &mut PgConnection, closed: u64, users: u64) -> Outcome<()> {
    let asked = r#"SELECT (SELECT count(*) FROM "MonthlyUsage" WHERE "pagesUsed" = 3), (SELECT count(*) FROM "User" WHERE "pagesUsedThisPeriod" = 0)"#;
    let row = sqlx::query(asked).fetch_one(sql).await?;
    let (archived, reset): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let done = [closed, archived.cast_unsigned(), reset.cast_unsigned()];
    if done == [users; 3] { Ok(()) } else { Err(format!("closed, archived, reset: {done:?} of {users}").into()) }
}

async fn run(sql: &mut PgConnection, text: &str) -> Outcome<()> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(sql).await?;
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
