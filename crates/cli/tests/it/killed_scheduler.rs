//! Kills `rylie maintain run` with SIGKILL during a job: another process completes the job.

use std::process::Child;
use std::time::{Duration, Instant};

use rylie_testkit::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::Folder;

/// More than one batch of the job, so that part of its effect is committed when it is killed.
const USERS: usize = 3_000;
/// Users that one transaction closes.
const BATCH: i64 = 2_500;
/// The advisory lock that the gate waits for, on PostgreSQL.
const GATE: i32 = 4711;
/// Only `usage` runs, and no lock timeout ends it before the kill.
const SETTINGS: &str = "lock_timeout_seconds = 60\n[schedule.analyze]\nenabled = false\n[schedule.books]\nenabled = false\n\
    [schedule.purge]\nenabled = false\n[schedule.reindex]\nenabled = false\n[schedule.sessions]\nenabled = false\n\
    [schedule.size]\nenabled = false\n[schedule.usage-events]\nenabled = false\n[schedule.vacuum]\nenabled = false\n";

/// A plain connection, without this project's code.
enum Sql {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Sql {
    async fn run(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(connection) => sql.execute(connection).await.map(drop).unwrap(),
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop).unwrap(),
        }
    }

    async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
        }
    }

    async fn text(&mut self, sql: &str) -> String {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
        }
    }

    /// Polls until the result is as expected. The limit exceeds any machine's time.
    async fn wait_for(&mut self, expected: i64, sql: &str) {
        let began = Instant::now();
        loop {
            let found = self.number(sql).await;
            if found == expected {
                return;
            }
            assert!(began.elapsed() < Duration::from_mins(3), "timed out with {found} instead of {expected}: {sql}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Adds users whose period ended yesterday with 3 pages used, and a job `usage` that has been due since then.
    async fn fill(&mut self) {
        let (ago, package): (fn(u32) -> String, _) = match self {
            Self::Postgres(_) => {
                (|days| format!("now() AT TIME ZONE 'UTC' - interval '{days} days'"), "'GOLD'::\"PackageType\"")
            }
            Self::Sqlite(_) => (|days| format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '-{days} days')"), "'GOLD'"),
        };
        let (begin, end) = (ago(31), ago(1));
        self.run(&format!(
            r#"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {USERS})
               INSERT INTO "User" ("id", "email", "activePackageType", "pagesUsedThisPeriod",
                                   "currentBillingPeriodStart", "currentBillingPeriodEnd", "updatedAt")
               SELECT 'u' || (100000 + i), i || '@example.com', {package}, 3, {begin}, {end}, {end} FROM n"#
        ))
        .await;
        let due = format!(
            "INSERT INTO rylie_job_runs (job, due, status, manual) VALUES ('usage', {end}, 'registered', false)"
        );
        self.run(&due).await;
    }

    /// Blocks the archiving of the last user during the run's first attempt.
    async fn close_gate(&mut self) {
        let last = 100_000 + USERS;
        let first = "EXISTS (SELECT 1 FROM rylie_job_runs WHERE job = 'usage' AND status = 'running' AND attempt = 1)";
        let sql = match self {
            Self::Postgres(_) => format!(
                r#"SELECT pg_advisory_lock({GATE});
                   CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
                   BEGIN IF {first} THEN PERFORM pg_advisory_xact_lock({GATE}); END IF; RETURN NEW; END $$;
                   CREATE TRIGGER gate BEFORE INSERT ON "MonthlyUsage" FOR EACH ROW
                   WHEN (NEW."userId" = 'u{last}') EXECUTE FUNCTION gate()"#
            ),
            // SQLite has no lock to wait for, so this is a query without end.
            Self::Sqlite(_) => format!(
                r#"CREATE TRIGGER gate BEFORE INSERT ON "MonthlyUsage" FOR EACH ROW
                   WHEN NEW."userId" = 'u{last}' AND {first}
                   BEGIN SELECT max(i) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT i FROM n); END"#
            ),
        };
        self.run(&sql).await;
    }

    /// Opens the gate. The server completes the statement of the killed client, then detects its absence and rolls
    /// back.
    async fn open_gate(&mut self) {
        if let Self::Postgres(_) = self {
            self.run(&format!("SELECT pg_advisory_unlock({GATE})")).await;
        }
    }
}

/// A process that is killed on drop, even if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn what_a_killed_scheduler_began_is_ended_once(folder: &Folder, url: &str, mut sql: Sql) {
    folder.write("rylie.toml", SETTINGS);
    sql.fill().await;
    sql.close_gate().await;
    let start = || Killed(folder.start(["maintain", "run", "--lease", "8s", "--database-url", url]));
    let mut processes = [start(), start()];
    sql.wait_for(BATCH, r#"SELECT count(*) FROM "MonthlyUsage""#).await;

    let holder = sql.text("SELECT holder FROM rylie_job_runs WHERE job = 'usage' AND status = 'running'").await;
    let process: u32 = holder.rsplit('/').nth(1).unwrap().parse().unwrap();
    let other = usize::from(processes[0].0.id() == process);
    let victim = &mut processes[1 - other].0;
    assert_eq!(victim.id(), process);
    // Sends SIGKILL.
    victim.kill().unwrap();
    sql.open_gate().await;
    victim.wait().unwrap();

    sql.wait_for(1, "SELECT count(*) FROM rylie_job_runs WHERE job = 'usage' AND status = 'done'").await;
    let users = i64::try_from(USERS).unwrap();
    let archived = r#"SELECT count(*) FROM "MonthlyUsage" WHERE "pagesUsed" = 3"#;
    assert_eq!(sql.number(archived).await, users, "each user is archived exactly once");
    assert_eq!(sql.number(r#"SELECT count(*) FROM "MonthlyUsage""#).await, users);
    assert_eq!(sql.number(r#"SELECT count(*) FROM "User" WHERE "pagesUsedThisPeriod" = 0"#).await, users);
    assert_eq!(
        sql.number("SELECT count(*) FROM rylie_job_runs WHERE job = 'usage' AND status <> 'registered'").await,
        1
    );
    assert_eq!(sql.number("SELECT attempt FROM rylie_job_runs WHERE job = 'usage' AND status = 'done'").await, 2);
    let ended = sql.text("SELECT holder FROM rylie_job_runs WHERE job = 'usage' AND status = 'done'").await;
    assert!(ended.contains(&format!("/{}/", processes[other].0.id())), "{ended}");

    let status = folder.run(["maintain", "status", "--json", "--database-url", url]).expect(0).json();
    let usage = status["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "usage").unwrap();
    assert_eq!(usage["last_status"], "done", "{usage}");
}

#[tokio::test]
async fn what_a_killed_scheduler_began_is_ended_once_by_another_on_sqlite() {
    let folder = Folder::migrated();
    let sql = Sql::Sqlite(SqliteConnection::connect(&folder.url()).await.unwrap());
    what_a_killed_scheduler_began_is_ended_once(&folder, &folder.url(), sql).await;
}

#[tokio::test]
async fn what_a_killed_scheduler_began_is_ended_once_by_another_on_postgres() {
    let folder = Folder::new();
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    folder.run(["migrate", "deploy", "--database-url", &database.url()]).expect(0);
    let sql = Sql::Postgres(PgConnection::connect(&database.url()).await.unwrap());
    what_a_killed_scheduler_began_is_ended_once(&folder, &database.url(), sql).await;
}
