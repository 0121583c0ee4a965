//! `rylie pitr`: receiving the log, bases, restores to a time and drills, on private servers.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rylie_testkit::{Cluster, Replica, World};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use crate::backup::{Fixture, status};
use crate::support::Outcome;

/// A private server with the platform's database, a folder `pitr`, and a receiver.
pub(crate) struct Pitr {
    pub(crate) cluster: Cluster,
    pub(crate) fixture: Fixture,
    pub(crate) url: String,
    pub(crate) receiver: Option<Child>,
}

impl Pitr {
    /// `None` where the server is newer than the installed programs: setting up is refused then.
    pub(crate) async fn new() -> Option<Self> {
        let cluster = Cluster::private().await.unwrap();
        let fixture = Fixture::on(World::postgres_of(&cluster).await.unwrap()).await;
        let url = fixture.world.url().to_owned();
        let pitr = Self { cluster, fixture, url, receiver: None };
        let outcome = pitr.run(&["init", "--folder", "tried"]);
        if outcome.code != Some(0) {
            outcome.expect(4).line_says("is older than the server");
            return None;
        }
        pitr.sql("SELECT pg_drop_replication_slot('rylie_pitr'); CREATE TABLE probe (id int PRIMARY KEY)").await;
        Some(pitr)
    }

    /// Set up, with a receiver and a base.
    pub(crate) async fn with_base() -> Option<Self> {
        let mut pitr = Self::new().await?;
        pitr.run(&["init", "--json"]).expect(0);
        pitr.start_receiver();
        pitr.run(&["base", "--json"]).expect(0);
        Some(pitr)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.of_database(&[&["pitr"], words].concat())
    }

    fn backup(&self, words: &[&str]) -> Outcome {
        Outcome::of(self.of_database(&[&["backup"], words].concat()).output().unwrap())
    }

    fn of_database(&self, words: &[&str]) -> Command {
        let mut command = self.fixture.command(words);
        command.env("DATABASE_URL", &self.url).env("RYLIE_PITR_FOLDER", "pitr");
        command
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Outcome {
        Outcome::of(self.command(words).output().unwrap())
    }

    pub(crate) fn status(&self, code: i32) -> Value {
        self.run(&["status", "--wait", "5", "--json"]).expect(code).json()
    }

    /// The outcome of the diagnosis of the log.
    pub(crate) fn diagnosed(&self) -> String {
        let mut command = self.fixture.command(&["doctor", "--only", "application.wal-arriving", "--json"]);
        command.env("DATABASE_URL", &self.url).env("RYLIE_PITR_FOLDER", "pitr");
        let report = Outcome::of(command.output().unwrap()).json();
        report["checks"][0]["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn start_receiver(&mut self) {
        let mut command = self.command(&["receive"]);
        self.receiver = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        self.run(&["check", "--wait", "60"]).expect(0);
    }

    pub(crate) fn end_receiver(&mut self, signal: &str) {
        let Some(mut receiver) = self.receiver.take() else { return };
        Command::new("kill").args([signal, &receiver.id().to_string()]).status().unwrap();
        receiver.wait().unwrap();
    }

    pub(crate) async fn sql(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    }

    /// Commits a row, and returns the server's time after it.
    pub(crate) async fn commit(&self, id: i32) -> String {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let sql = format!("SET synchronous_commit = on; INSERT INTO probe VALUES ({id})");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        let sql = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }

    /// The segments of the log, by name.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let entries = self.fixture.folder.path("pitr/wal").read_dir().unwrap().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        paths.retain(|path| path.extension().is_none());
        paths.sort();
        paths
    }

    pub(crate) fn bases(&self) -> Vec<PathBuf> {
        let entries = self.fixture.folder.path("pitr/bases").read_dir().unwrap().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }

    /// Restores, and returns the rows of `probe`.
    pub(crate) async fn probe_after(&self, words: &[&str]) -> Vec<i32> {
        let place = open_folder();
        let into = place.path().join("restored");
        let words = [&["restore", "--into", into.to_str().unwrap(), "--run", "--json"], words].concat();
        let restored = self.run(&words).expect(0).json();
        assert!(!into.join("recovery.signal").exists());
        let server = Restored(into);
        let mut connection = PgConnection::connect(restored["url"].as_str().unwrap()).await.unwrap();
        let rows = sqlx::query_scalar("SELECT id FROM probe ORDER BY id").fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        drop(server);
        rows
    }
}

impl Drop for Pitr {
    fn drop(&mut self) {
        self.end_receiver("-TERM");
    }
}

/// A running server on a restored directory; it ends with the value.
struct Restored(PathBuf);

impl Drop for Restored {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.0.join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        Command::new("kill").args(["-QUIT", &pid]).status().unwrap();
        wait_until(|| !self.0.join("postmaster.pid").exists());
    }
}

/// A folder that the server's user may enter: these tests may run as root.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

pub(crate) fn wait_until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_restores_to_the_noted_time_and_signs_a_certificate() {
    let Some(mut pitr) = Pitr::new().await else { return };
    pitr.run(&["status"]).expect(4).line_says("run `rylie pitr init`");
    let made = pitr.run(&["init", "--json"]).expect(0).json();
    assert_eq!((&made["slot"], &made["timeline"], &made["recorded"]), (&"rylie_pitr".into(), &1.into(), &true.into()));
    pitr.run(&["drill"]).expect(4).line_says("there is no base");
    pitr.start_receiver();
    let base = pitr.run(&["base", "--json"]).expect(0).json();
    assert_eq!((&base["verified"], &base["recorded"]), (&true.into(), &true.into()));

    let drilled = pitr.run(&["drill", "--json"]).expect(0).json();

    for check in ["wal", "restore", "target", "copy", "rows", "tenants", "contents", "migrations", "audit", "secrets"] {
        assert_eq!(status(&drilled, check).0, "ok", "{check}: {drilled:#}");
    }
    assert!(status(&drilled, "target").1.contains("the change before is there, the change after is not"));
    assert!(drilled["rto_seconds"].as_f64().unwrap() > 0.0 && drilled["rpo_seconds"].as_i64().unwrap() >= 1);
    let certificate = drilled["certificate"].as_str().unwrap();
    let words = ["backup", "check-certificate", certificate, "--json"];
    let checked = pitr.fixture.folder.run(words).expect(0).json();
    assert_eq!((&checked["backup"], &checked["made_at"]), (&base["id"], &drilled["target_time"]));
    // A file of another kind is not overwritten, and an unlogged table is not missed.
    pitr.run(&["drill", "--certificate", "audit.key"]).expect(4).line_says("exists and is not overwritten");
    pitr.sql("CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS id").await;
    pitr.run(&["drill", "--certificate", "other.txt", "--scratch-dir", "."]).expect(0);
    let log = pitr.fixture.run(&["audit", "list", "--limit", "100", "--json"]).expect(0);
    for action in ["PITR_INITIALIZED", "PITR_BASE_CREATED", "PITR_DRILL"] {
        assert!(log.out.contains(action), "{action}");
    }
    for folder in ["pitr", "pitr/wal", "pitr/bases"] {
        assert_eq!(mode(&pitr.fixture.folder.path(folder)), 0o700, "{folder}");
    }
    let found = pitr.status(0);
    assert_eq!((&found["ok"], &found["lag_seconds"], &found["bases"]), (&true.into(), &0.into(), &1.into()));
    assert!(found["last_wal"].is_string() && found["window_start"].is_string() && found["window_end"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_to_a_time_between_two_commits_has_the_first_and_not_the_second() {
    let Some(pitr) = Pitr::with_base().await else { return };
    let between = pitr.commit(1).await;
    pitr.commit(2).await;
    pitr.run(&["check"]).expect(0);

    assert_eq!(pitr.probe_after(&["--to-time", &between]).await, [1]);
    assert_eq!(pitr.probe_after(&["--latest"]).await, [1, 2]);

    let restore = |time: &str, into: &str| pitr.run(&["restore", "--to-time", time, "--into", into]);
    restore("2026-11-26T20:45:18", "new").expect(2).line_says("it must name its zone");
    restore("2020-01-01T00:00:00Z", "new").expect(4).line_says("outside of the recovery window, which is 2");
    restore("2999-01-01 00:00:00 UTC", "new").expect(4).line_says("outside of the recovery window");
    restore(&between, "pitr").expect(4).line_says("exists and is not overwritten");
    pitr.run(&["restore", "--to-lsn", "FFFFFFFF/0", "--into", "new"]).expect(4);
    pitr.run(&["restore", "--to-lsn", "x", "--into", "new"]).expect(2);
    assert!(!pitr.fixture.folder.path("new").exists());

    restore(&between, "new").expect(0);
    let new = pitr.fixture.folder.path("new");
    assert!(new.join("PG_VERSION").exists() && !new.join("postmaster.pid").exists());
    for left in ["recovery.signal", "standby.signal", "backup_label", "backup_manifest"] {
        assert!(!new.join(left).exists(), "{left}");
    }
    let left = pitr.fixture.folder.path("").read_dir().unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".rylie")).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_put_back_as_it_was_at_a_time_and_the_others_keep_their_changes() {
    let Some(pitr) = Pitr::with_base().await else { return };
    let agencies = pitr.texts("SELECT id FROM \"Agency\" ORDER BY id").await;
    pitr.sql("UPDATE \"Agency\" SET name = 'Before'").await;
    let at = pitr.commit(1).await;
    pitr.sql("UPDATE \"Agency\" SET name = 'After'").await;
    let restore = |tenant: &str, at: &str| pitr.backup(&["restore", "--tenant", tenant, "--at", at, "--json"]);

    let restored = restore(&agencies[0], &at).expect(0).json();

    assert_eq!((&restored["tenant"], &restored["restored_rows"]["Agency"]), (&agencies[0].as_str().into(), &1.into()));
    let names = "SELECT name FROM \"Agency\" ORDER BY id";
    assert_eq!(pitr.texts(names).await, ["Before", "After"]);
    let recorded = "SELECT details ->> 'backup' FROM \"AuditLog\" WHERE action = 'BACKUP_RESTORED'";
    assert!(pitr.texts(recorded).await[0].contains(" at 2"), "{:?}", pitr.texts(recorded).await);

    restore(&agencies[1], "2020-01-01T00:00:00Z").expect(4).line_says("outside of the recovery window");
    restore(&agencies[1], "2999-01-01T00:00:00Z").expect(4).line_says("outside of the recovery window");
    restore(&agencies[1], "2026-11-26").expect(2).line_says("it must name its zone");
    restore("cmwt6lm7b0000eg7dnnlg7t5h", &at).expect(4).line_says("does not have the tenant");
    pitr.backup(&["restore", "20261126T020000000Z", "--tenant", &agencies[1], "--at", &at]).expect(2);
    pitr.backup(&["restore", "--at", &at]).expect(2);
    // A tenant that was erased since stays erased.
    pitr.backup(&["create"]).expect(0);
    Outcome::of(pitr.of_database(&["tenant", "erase", &agencies[1], "--yes"]).output().unwrap()).expect(0);
    restore(&agencies[1], &at).expect(4).line_says("it was erased after the backup");
    Outcome::of(pitr.of_database(&["environment", "mark", "production"]).output().unwrap()).expect(0);
    restore(&agencies[0], &at).expect(4).line_says("production");
    assert_eq!(pitr.texts(names).await, ["Before"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_replication_alone_is_enough_and_one_without_is_told_the_sql() {
    let Some(pitr) = Pitr::new().await else { return };
    pitr.sql("CREATE ROLE only_replication LOGIN REPLICATION PASSWORD 'canary'; CREATE ROLE nothing LOGIN").await;
    let (_, rest) = pitr.url.split_once('@').unwrap();
    let as_login = |login: &str, words: &[&str]| {
        let url = format!("postgres://{login}@{rest}");
        Outcome::of(pitr.command(words).env("RYLIE_PITR_URL", url).output().unwrap())
    };

    let refused = as_login("nothing", &["init"]).expect(4);
    refused.line_says("ALTER ROLE nothing REPLICATION");
    assert!(!pitr.fixture.folder.path("pitr").exists());

    as_login("only_replication:canary", &["init"]).expect(0);
    as_login("only_replication:canary", &["base"]).expect(0);
    let mut receive = pitr.command(&["receive"]);
    let url = format!("postgres://only_replication:canary@{rest}");
    let mut receiver = receive.env("RYLIE_PITR_URL", &url).stderr(Stdio::null()).spawn().unwrap();
    as_login("only_replication:canary", &["check", "--wait", "60"]).expect(0);
    let found = as_login("only_replication:canary", &["status", "--json"]).expect(0);
    assert!(!found.out.contains("canary"));
    Command::new("kill").args(["-TERM", &receiver.id().to_string()]).status().unwrap();
    assert_eq!(receiver.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_reaches_a_time_after_a_promotion() {
    let Some(mut pitr) = Pitr::with_base().await else { return };
    let replica = Replica::of(&pitr.cluster).await.unwrap();
    let first = pitr.commit(1).await;
    pitr.run(&["check"]).expect(0);
    pitr.end_receiver("-TERM");
    let (_, name) = pitr.url.split('?').next().unwrap().rsplit_once('/').unwrap();
    let at_replica = pitr.fixture.world.replica_url(&replica).unwrap();
    assert!(at_replica.contains(name));
    wait_for_row(&at_replica, 1).await;
    replica.promote().await.unwrap();
    pitr.url = at_replica;
    wait_for_primary(&pitr.url).await;

    let again = pitr.run(&["init", "--json"]).expect(0).json();
    assert_eq!(again["timeline"], 2);
    pitr.start_receiver();
    let second = pitr.commit(2).await;
    pitr.commit(3).await;
    pitr.run(&["check"]).expect(0);

    let found = pitr.status(0);
    assert!(found["last_wal"].as_str().unwrap().starts_with("00000002"), "{found:#}");
    assert_eq!(pitr.probe_after(&["--to-time", &second]).await, [1, 2]);
    assert_eq!(pitr.probe_after(&["--to-time", &first]).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_was_erased_after_the_time_is_not_back() {
    let Some(pitr) = Pitr::with_base().await else { return };
    let mut connection = PgConnection::connect(&pitr.url).await.unwrap();
    let sql = "SELECT id FROM \"Agency\" ORDER BY id";
    let agencies: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    let before = pitr.commit(1).await;
    pitr.fixture.run(&["tenant", "erase", &agencies[0], "--yes"]).expect(0);
    pitr.run(&["check"]).expect(0);
    let place = open_folder();
    let into = place.path().join("restored");
    let words = ["restore", "--to-time", &before, "--into", into.to_str().unwrap(), "--run", "--json"];

    let restored = pitr.run(&words).expect(0).json();

    assert_eq!(restored["erased_again"]["tenants"], serde_json::json!([agencies[0]]));
    let _server = Restored(into);
    let mut connection = PgConnection::connect(restored["url"].as_str().unwrap()).await.unwrap();
    let left: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    assert_eq!(left, agencies[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_base_restores_from_17_on() {
    let Some(pitr) = Pitr::with_base().await else { return };
    let mut connection = PgConnection::connect(&pitr.url).await.unwrap();
    let sql = "SELECT current_setting('server_version_num')::int";
    let version: i32 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    if version < 170_000 {
        pitr.run(&["base", "--incremental"]).expect(4).line_says("an incremental base needs PostgreSQL 17");
        return;
    }
    pitr.run(&["base", "--incremental"]).expect(4).line_says("ALTER SYSTEM SET summarize_wal = on");
    pitr.sql("ALTER SYSTEM SET summarize_wal = on").await;
    pitr.sql("SELECT pg_reload_conf()").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let full = pitr.run(&["base", "--json"]).expect(0).json();
    pitr.commit(1).await;

    let changes = pitr.run(&["base", "--incremental", "--keep", "1", "--json"]).expect(0).json();

    assert_eq!(changes["parent"], full["id"]);
    assert!(changes["bytes"].as_u64().unwrap() < full["bytes"].as_u64().unwrap() / 2, "{changes:#}");
    assert_eq!(pitr.bases().len(), 2, "the full one stays");
    let time = pitr.commit(2).await;
    pitr.commit(3).await;
    pitr.run(&["check"]).expect(0);
    assert_eq!(pitr.probe_after(&["--to-time", &time]).await, [1, 2]);
}

async fn wait_for_row(url: &str, id: i32) {
    let begun = Instant::now();
    loop {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let sql = "SELECT count(*) FROM probe WHERE id = $1";
        let found: i64 = sqlx::query_scalar(sql).bind(id).fetch_one(&mut connection).await.unwrap();
        if found == 1 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "the replica does not follow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn wait_for_primary(url: &str) {
    let begun = Instant::now();
    loop {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let recovers: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut connection).await.unwrap();
        if !recovers {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "the replica is not promoted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn sqlite_is_refused() {
    let folder = crate::support::Folder::migrated();
    for words in [&["init"][..], &["check"], &["base"], &["status"], &["receive"], &["drill"]] {
        let words = [&["pitr"], words, &["--folder", "pitr"]].concat();
        folder.run(words).expect(4).says("SQLite has no log that could be replayed to a time");
    }
    let words = ["pitr", "restore", "--latest", "--into", "new", "--folder", "pitr"];
    folder.run(words).expect(4).says("SQLite has no log");
}
