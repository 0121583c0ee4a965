//! Output for the operator while a command works: its database, the sessions that block it, and its progress.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rylie_testkit::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::adopt::Prisma;
use crate::support::Folder;

async fn connect(url: &str, application: &str) -> PgConnection {
    let separator = if url.contains('?') { '&' } else { '?' };
    PgConnection::connect(&format!("{url}{separator}application_name={application}")).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

async fn names(connection: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND application_name <> 'shop' ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

/// Reads standard error until a line has the words. Returns the line and when it came.
fn line_with(child: &mut Child, words: &str) -> (String, Instant) {
    let mut seen = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(words) {
            return (line, Instant::now());
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    panic!("no line has {words}:\n{seen}");
}

fn start(url: &str, words: &[&str]) -> Child {
    let folder = Folder::new();
    folder.command(words).env("DATABASE_URL", url).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_command_names_who_blocks_it_within_a_second() {
    let prisma = Prisma::new().await;
    let mut holder = connect(&prisma.superuser_url(), "shop").await;
    run(&mut holder, "BEGIN; LOCK TABLE \"Task\"").await;

    let mut child = start(&prisma.superuser_url(), &["adopt"]);
    let began = Instant::now();
    let (line, at) = line_with(&mut child, "shop");

    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    assert!(
        line.contains(&format!("process {process} (shop, login ")) && line.contains("idle in transaction, for "),
        "{line}"
    );
    assert!(at - began < Duration::from_secs(30), "{line}");
    assert_eq!(names(&mut holder).await, ["rylie/adopt"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn engine_care_names_who_blocks_it() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    Folder::new().run(["migrate", "deploy", "--database-url", &database.url()]).expect(0);
    let mut holder = connect(&database.url(), "shop").await;
    run(&mut holder, "BEGIN; LOCK TABLE \"Task\" IN SHARE UPDATE EXCLUSIVE MODE").await;

    let mut child = start(&database.url(), &["maintain", "reindex", "--all"]);
    let (line, _) = line_with(&mut child, "shop");

    assert!(line.contains("waiting for process ") && line.contains("login "), "{line}");
    assert!(names(&mut holder).await.contains(&"rylie/maintain reindex".to_owned()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_migration_names_the_first_one() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let mut holder = connect(&database.url(), "shop").await;
    let migration_lock: i64 = 0x7279_6C69_6520_6D67;
    run(&mut holder, &format!("SELECT pg_advisory_lock({migration_lock})")).await;

    let mut child = start(&database.url(), &["migrate", "deploy"]);
    let (line, _) = line_with(&mut child, "waiting for another migration");

    assert!(line.contains("(shop, login "), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_command_names_its_database_once_without_the_password() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();
    let folder = Folder::new();

    let deployed = folder.run(["migrate", "deploy", "--json", "--database-url", &url]).expect(0);

    let target = deployed.target.as_deref().unwrap();
    assert!(
        target.starts_with(&format!("database {} on ", database.name())) && target.contains(", login "),
        "{target}"
    );
    deployed.json();
    for words in [&["environment", "mark", "staging"][..], &["seed"], &["size"], &["roles", "check"], &["drift"]] {
        let outcome = folder.run([words, &["--database-url", &url]].concat());
        assert_eq!(outcome.target.as_deref(), Some(target), "{words:?}: {outcome:?}");
        let quiet = folder.run([words, &["--quiet", "--database-url", &url]].concat());
        assert_eq!(quiet.target, None, "{words:?}");
    }
    let refused = folder.run(["migrate", "status", "--database-url", "postgres://me:canary@127.0.0.1:1/db"]).expect(1);
    assert_eq!(refused.target.as_deref(), Some("database db on 127.0.0.1:1, login me"));
    assert!(!refused.err.contains("canary"), "{refused:?}");
}

#[test]
fn a_deploy_without_a_database_says_what_it_creates() {
    let folder = Folder::new();

    let deployed = folder.run(["migrate", "deploy"]).expect(0);

    assert!(
        deployed.err.contains("warning: no database is named, so the SQLite file rylie.db is created"),
        "{deployed:?}"
    );
    assert_eq!(deployed.target.as_deref(), Some("SQLite file rylie.db"));
    assert!(!folder.run(["migrate", "deploy"]).expect(0).err.contains("warning"));
}

#[test]
fn the_scheduler_logs_one_line_for_each_run() {
    let folder = Folder::migrated();
    folder.write("rylie.toml", "[schedule.sessions]\ncron = \"* * * * *\"\n");

    let outcome = folder.run(["maintain", "run", "--now", "sessions"]).expect(0);

    let lines: Vec<&str> = outcome.err.lines().filter(|line| line.contains("a job ended")).collect();
    assert_eq!(lines.len(), 1, "{outcome:?}");
    for part in ["sessions", "done", "seconds", "deleted"] {
        assert!(lines[0].contains(part), "{part}: {lines:?}");
    }
}
