//! `rylie backup`: the same on both engines.

use std::path::PathBuf;
use std::process::Command;

use rylie_db::prelude::{Secret, StoreExt};
use rylie_db::repositories::NewGa4Connection;
use rylie_testkit::World;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::{Folder, Outcome};

/// A database with two agencies, a sealed token each and a sealed audit log; backups go to the folder's `backups`.
pub(crate) struct Fixture {
    pub(crate) world: World,
    pub(crate) folder: Folder,
}

impl Fixture {
    pub(crate) async fn on(world: World) -> Self {
        for _ in 0..2 {
            let agency = world.agency().await.unwrap();
            agency.request().await.unwrap();
            let unit = world.store().tenant(&agency.scope()).await.unwrap();
            let new = NewGa4Connection::new(Secret::from("canary"));
            unit.ga4_connections().save(new).await.unwrap();
            unit.commit().await.unwrap();
        }
        let fixture = Self { world, folder: Folder::new() };
        fixture.run(&["audit", "keygen"]).expect(0);
        fixture.run(&["audit", "seal", "--checkpoints", "checkpoints.txt"]).expect(0);
        fixture
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.folder.command(words);
        command.env("DATABASE_URL", self.world.url()).env("RYLIE_KEYRING", self.world.keyring());
        command.env("RYLIE_AUDIT_KEY", "audit.key").env("RYLIE_BACKUPS", "backups");
        if self.world.is_postgres() {
            // A private server for each drill would take a second.
            command.env("RYLIE_BACKUP_SCRATCH_URL", self.world.url());
        }
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Outcome {
        Outcome::of(self.command(words).output().unwrap())
    }

    /// Makes a backup; the document.
    pub(crate) fn create(&self) -> Value {
        self.run(&["backup", "create", "--json"]).expect(0).json()
    }

    /// The document of a drill.
    pub(crate) fn verify(&self, id: &Value, code: i32) -> Value {
        self.run(&["backup", "verify", id.as_str().unwrap(), "--json"]).expect(code).json()
    }

    pub(crate) fn listed(&self) -> Vec<Value> {
        let list = self.run(&["backup", "list", "--json"]).expect(0).json();
        list["backups"].as_array().unwrap().clone()
    }

    pub(crate) fn path(&self, id: &Value, file: &str) -> PathBuf {
        self.folder.path("backups").join(id.as_str().unwrap()).join(file)
    }

    /// Sends SQL past the store.
    pub(crate) async fn sql(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.world.is_postgres() {
            let mut connection = PgConnection::connect(self.world.url()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = SqliteConnection::connect(self.world.url()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }
}

/// The copy and the outcome of a check.
pub(crate) fn status<'d>(document: &'d Value, check: &str) -> (&'d str, &'d str) {
    let checks = document["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["id"] == check).unwrap_or_else(|| panic!("{check}: {document:#}"));
    (found["status"].as_str().unwrap(), found["detail"].as_str().unwrap())
}

async fn a_backup_states_what_it_holds(fixture: Fixture) {
    let made = fixture.create();

    assert_eq!((&made["rows"]["Agency"], &made["rows"]["Request"]), (&json!(2), &json!(2)));
    let tenants = made["tenants"].as_object().unwrap();
    assert_eq!(tenants.values().filter(|rows| rows["Request"] == 1).count(), 2, "{made:#}");
    assert_eq!(made["keys"].as_array().unwrap().len(), 1);
    assert_eq!((&made["verified"], &made["recorded"]), (&json!(false), &json!(true)));
    let manifest = std::fs::read(fixture.path(&made["id"], "manifest.json")).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &manifest);
    let hexadecimal: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(made["sha256"], hexadecimal.concat());
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert!(manifest["checkpoint"].as_str().unwrap().starts_with("rylie audit checkpoint"));
    assert!(manifest["public_keys"][0].as_str().unwrap().starts_with("ed25519:"));
    assert_eq!(manifest["log_position"].is_string(), fixture.world.is_postgres());
    let log = fixture.run(&["audit", "list", "--json"]).expect(0);
    assert!(log.out.contains("BACKUP_CREATED"), "{log:?}");
}

async fn only_its_owner_may_read_a_backup(fixture: Fixture) {
    use std::os::unix::fs::PermissionsExt;
    let made = fixture.create();

    let mut folders = vec![fixture.folder.path("backups")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", folder.display());
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
            }
        }
    }
    assert!(files >= 3, "{made:#}");
}

async fn a_drill_proves_a_backup_and_signs_a_certificate(fixture: Fixture) {
    let made = fixture.create();
    let id = made["id"].as_str().unwrap();
    assert_eq!(fixture.listed()[0]["verified"], false);

    let words = ["backup", "verify", id, "--checkpoint", "checkpoints.txt", "--json"];
    let drilled = fixture.run(&words).expect(0).json();

    assert_eq!((&drilled["verified"], &drilled["id"], &drilled["rows"]), (&json!(true), &made["id"], &made["rows"]));
    assert!(drilled["rto_seconds"].as_f64().unwrap() > 0.0 && drilled["rpo_seconds"].as_i64().unwrap() >= 0);
    for check in [
        "manifest",
        "files",
        "restore",
        "copy",
        "rows",
        "tenants",
        "contents",
        "foreign_keys",
        "migrations",
        "drift",
        "audit",
        "keys",
        "secrets",
    ] {
        assert_eq!(status(&drilled, check).0, "ok", "{check}: {drilled:#}");
    }
    assert!(status(&drilled, "audit").1.contains("1 checkpoints"), "{drilled:#}");
    assert_eq!(fixture.listed()[0]["verified"], true);
    let certificate = drilled["certificate"].as_str().unwrap();
    let checked = fixture.folder.run(["backup", "check-certificate", certificate, "--json"]).expect(0).json();
    assert_eq!((&checked["ok"], &checked["backup"], &checked["sha256"]), (&json!(true), &made["id"], &made["sha256"]));
    let left = fixture
        .folder
        .path("backups")
        .read_dir()
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".incomplete"));
    assert_eq!(left.count(), 0);
}

async fn one_command_makes_and_proves_a_backup(fixture: Fixture) {
    let made = fixture.run(&["backup", "create", "--verify", "--json"]).expect(0).json();

    assert_eq!(made["verified"], true);
    assert!(made["certificate"].as_str().unwrap().contains(made["id"].as_str().unwrap()));
}

async fn a_certificate_that_was_changed_is_stale_or_is_a_strangers_does_not_hold(fixture: Fixture) {
    let made = fixture.run(&["backup", "create", "--verify", "--json"]).expect(0).json();
    let certificate = made["certificate"].as_str().unwrap();
    let check = |words: &[&str]| fixture.run(&[&["backup", "check-certificate"], words].concat());
    let text = std::fs::read_to_string(fixture.folder.path(certificate)).unwrap();
    fixture.folder.write(
        "forged.txt",
        &text.replace("\"status\":\"not-checked\"", "\"status\":\"ok\"").replacen(
            "\"rpo_seconds\":",
            "\"rpo_seconds\":1",
            1,
        ),
    );
    let other = fixture.run(&["audit", "keygen", "--out", "other.key"]).expect(0).out;
    let own = text.lines().find_map(|line| line.strip_prefix("key ")).unwrap().to_owned();

    check(&["forged.txt"]).expect(3).line_says("its signature is invalid");
    check(&[certificate, "--max-age", "0s"]).expect(3).line_says("stale: the drill was at");
    check(&[certificate, "--public-key", other.trim()]).expect(3).line_says("a key that is not trusted");
    check(&["nothing.txt"]).expect(1);
    check(&[certificate, "--max-age", "1d", "--public-key", &own, "--out", "backups"]).expect(0);

    let manifest = fixture.path(&made["id"], "manifest.json");
    std::fs::write(&manifest, std::fs::read_to_string(&manifest).unwrap() + " ").unwrap();
    check(&[certificate, "--out", "backups"]).expect(3).line_says("another manifest");
    assert_eq!(fixture.listed()[0]["verified"], false);
}

async fn a_certificate_that_a_stranger_signed_counts_for_nothing(fixture: Fixture) {
    let [old, new] = [(); 2].map(|()| fixture.create()["id"].clone());
    let other = fixture.run(&["audit", "keygen", "--out", "other.key"]).expect(0).out.trim().to_owned();
    for id in [&old, &new] {
        // Who may write the folder can sign with any key, once the manifest's signature is gone.
        std::fs::remove_file(fixture.path(id, "manifest.sig")).unwrap();
        let words = ["backup", "verify", id.as_str().unwrap(), "--key", "other.key"];
        let verify =
            |words: &[&str]| Outcome::of(fixture.command(words).env("RYLIE_AUDIT_KEY", "other.key").output().unwrap());
        let refused = verify(&words).expect(3);
        assert!(refused.err.contains("manifest: it is not signed"), "{refused:?}");
        let drilled = verify(&[&words[..], &["--unsigned", "--json"]].concat()).expect(0).json();
        let certificate = drilled["certificate"].as_str().unwrap();
        let checked = verify(&["backup", "check-certificate", certificate]).expect(0);
        assert!(checked.out.contains("every check but manifest"), "{checked:?}");
        fixture.run(&["backup", "restore", id.as_str().unwrap(), "--to", "sqlite://none.db"]).expect(3);
    }

    let listed = fixture.listed();
    assert!(
        listed.iter().all(|backup| backup["verified"] == false && backup["unknown_signer"] == other),
        "{listed:#?}"
    );
    assert!(fixture.run(&["backup", "list"]).expect(0).out.contains(&other));
    let prune = ["backup", "prune", "--keep", "1", "--json"];
    assert_eq!(fixture.run(&prune).expect(0).json()["removed"], json!([]));
    let believed = Outcome::of(fixture.command(&prune).env("RYLIE_AUDIT_PUBLIC_KEY", &other).output().unwrap());
    assert_eq!(believed.expect(0).json()["removed"], json!([old]), "a key that is named is believed");
}

async fn failed_and_unproven_runs_evict_no_good_backup(fixture: Fixture) {
    let create =
        |words: &[&str]| fixture.run(&[&["backup", "create", "--json"], words].concat()).expect(0).json()["id"].clone();
    let prune = |words: &[&str]| fixture.run(&[&["backup", "prune", "--json"], words].concat()).expect(0).json();
    let unproven = create(&[]);
    assert_eq!(prune(&["--keep", "1", "--max-age", "0s"])["removed"], json!([]), "nothing is proven");
    let good: Vec<Value> = (0..3).map(|_| create(&["--verify"])).collect();
    for _ in 0..2 {
        create(&[]);
    }

    assert_eq!(prune(&["--keep", "3"])["removed"], json!([unproven]));
    assert_eq!(prune(&["--keep", "2"])["removed"], json!([good[0]]));
    assert_eq!(prune(&["--keep", "2", "--max-age", "0s"])["removed"], json!([good[1]]), "the last good one stays");
    assert_eq!(fixture.listed().len(), 3);
    let log = fixture.run(&["audit", "list", "--json"]).expect(0);
    assert!(log.out.contains("BACKUPS_PRUNED"), "{log:?}");
}

async fn nothing_is_removed_while_the_backup_that_would_remain_is_damaged(fixture: Fixture) {
    fixture.run(&["backup", "create", "--verify"]).expect(0);
    let newest = fixture.run(&["backup", "create", "--verify", "--json"]).expect(0).json()["id"].clone();
    flip_a_bit(&fixture, &newest);

    fixture.run(&["backup", "prune", "--keep", "1"]).expect(3).says("is damaged");

    assert_eq!(fixture.listed().len(), 2);
}

async fn a_key_that_a_backup_needs_is_not_destroyed(fixture: Fixture) {
    let made = fixture.create();
    let key = made["keys"][0].as_str().unwrap();
    fixture.run(&["keys", "rotate"]).expect(0);
    fixture.run(&["keys", "reencrypt"]).expect(0);

    fixture.run(&["keys", "destroy", key]).expect(4).line_says(made["id"].as_str().unwrap());

    std::fs::remove_dir_all(fixture.path(&made["id"], "")).unwrap();
    fixture.run(&["keys", "destroy", key]).expect(0);
}

async fn a_backup_of_another_key_fails_by_the_keys_name(fixture: Fixture) {
    let made = fixture.create();
    let key = made["keys"][0].as_str().unwrap();
    fixture.run(&["keys", "generate", "--out", "other.json"]).expect(0);
    let words = ["backup", "verify", made["id"].as_str().unwrap(), "--json"];

    let drilled = Outcome::of(fixture.command(&words).env("RYLIE_KEYRING", "other.json").output().unwrap()).expect(3);
    let without = Outcome::of(fixture.command(&words).env_remove("RYLIE_KEYRING").output().unwrap()).expect(3);
    // The right id over another key.
    let ring: Value = serde_json::from_slice(&std::fs::read(fixture.folder.path("other.json")).unwrap()).unwrap();
    let id = fixture.run(&["keys", "list", "--json"]);
    assert_eq!(id.json()["keys"][0]["id"], key);
    let own =
        Outcome::of(fixture.command(&["keys", "list", "--json"]).env("RYLIE_KEYRING", "other.json").output().unwrap());
    let other = own.json()["keys"][0]["id"].as_str().unwrap().to_owned();
    fixture.folder.write("other.json", &ring.to_string().replace(&other, key));
    let wrong = Outcome::of(fixture.command(&words).env("RYLIE_KEYRING", "other.json").output().unwrap()).expect(3);

    assert!(status(&drilled.json(), "keys").1.contains(key), "{drilled:?}");
    assert!(status(&without.json(), "keys").1.contains("no keyring"), "{without:?}");
    assert_eq!(status(&wrong.json(), "secrets").0, "failed", "{wrong:?}");
}

async fn a_stopped_run_leaves_older_backups_and_nothing_else(fixture: Fixture) {
    let good = fixture.run(&["backup", "create", "--verify", "--json"]).expect(0).json();
    for delay in [0, 20, 60, 150] {
        let mut child = fixture.command(&["backup", "create", "--quiet"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    std::fs::create_dir(fixture.folder.path("backups").join(".incomplete-left")).unwrap();

    let listed = fixture.listed();
    assert!(listed.iter().all(|backup| backup["problem"].is_null()), "{listed:#?}");
    assert_eq!((&listed.last().unwrap()["id"], &listed.last().unwrap()["verified"]), (&good["id"], &json!(true)));
    let newest = fixture.create();
    fixture.verify(&newest["id"], 0);
    fixture.verify(&good["id"], 0);
    let entries = fixture.folder.path("backups").read_dir().unwrap();
    let hidden =
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".incomplete"));
    assert_eq!(hidden.count(), 0, "what killed runs left is gone");
}

async fn a_full_disk_leaves_no_backup(fixture: Fixture) {
    let good = fixture.create();
    let program = fixture.command(&[]);
    let mut full = Command::new("sh");
    // Files longer than eight blocks cannot be written, as on a full disk.
    full.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" backup create --json"]).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => full.env(name, value),
            None => full.env_remove(name),
        };
    }
    let outcome = Outcome::of(full.current_dir(program.get_current_dir().unwrap()).output().unwrap());

    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{outcome:?}");
    let listed = fixture.listed();
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &good["id"]));
    fixture.verify(&good["id"], 0);
}

async fn a_place_must_be_named_and_an_id_must_exist(fixture: Fixture) {
    let none = Outcome::of(fixture.command(&["backup", "list"]).env_remove("RYLIE_BACKUPS").output().unwrap());
    none.expect(2).says("no place of backups");
    for wrong in ["ftp://bucket/of", "s3://", "s3:///of"] {
        fixture.run(&["backup", "list", "--out", wrong]).expect(2);
    }
    for id in ["20200101T000000000Z", "..", "../backups", "a/b"] {
        fixture.run(&["backup", "verify", id]).expect(1).line_says("there is no backup");
    }
    assert_eq!(fixture.run(&["backup", "list", "--json"]).expect(0).json(), json!({ "backups": [] }));
}

async fn the_scheduler_makes_backups_proves_them_and_keeps_some(fixture: Fixture) {
    let run = |job: &str| {
        let mut command = fixture.command(&["maintain", "run", "--now", job, "--json"]);
        Outcome::of(command.env("RYLIE_BACKUP_KEEP", "1").output().unwrap()).expect(0).json()
    };
    for _ in 0..2 {
        assert_eq!(run("backup")["runs"][0]["outcome"], "done");
        assert_eq!(run("backup-verify")["runs"][0]["outcome"], "done");
    }

    let listed = fixture.listed();
    assert_eq!((listed.len(), &listed[0]["verified"]), (1, &json!(true)));
}

async fn an_old_or_missing_proof_is_an_alert(fixture: Fixture) {
    let out = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = format!("http://{}/hook", out.local_addr().unwrap());
    let received = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = out.accept().unwrap();
        let (mut text, mut part) = (String::new(), [0; 4096]);
        while !text.contains("verified backup") {
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&part[..read]));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        text
    });

    let mut command = fixture.command(&["maintain", "run", "--now", "backup-verify"]);
    Outcome::of(command.env("RYLIE_SIZE_NOTIFY", hook).output().unwrap()).expect(0);

    assert!(received.join().unwrap().contains("There is no verified backup; the limit is 36 hours."));
}

/// In the largest file of the copy, so in rows.
pub(crate) fn flip_a_bit(fixture: &Fixture, id: &Value) {
    let path = largest_file(fixture, id);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The largest file of a backup: of its rows.
pub(crate) fn largest_file(fixture: &Fixture, id: &Value) -> PathBuf {
    let mut files: Vec<PathBuf> = fixture
        .path(id, "")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    let dump = fixture.path(id, "dump");
    files.extend(dump.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path()));
    files.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with("manifest"));
    files.into_iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap()
}

/// Each behaviour on both engines.
macro_rules! on_both {
    ($($name:ident,)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let world = rylie_testkit::World::sqlite().await.unwrap();
                super::$name($crate::backup::Fixture::on(world).await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let world = rylie_testkit::World::postgres().await.unwrap();
                let fixture = $crate::backup::Fixture::on(world).await;
                if $crate::backup::is_newer_than_the_programs(&fixture).await {
                    fixture.run(&["backup", "create"]).expect(4).says("is older than the server");
                    return;
                }
                super::$name(fixture).await;
            })+
        }
    };
}
pub(crate) use on_both;

/// Whether the tests run on a server for which no `pg_dump` is installed.
pub(crate) async fn is_newer_than_the_programs(fixture: &Fixture) -> bool {
    let mut connection = PgConnection::connect(fixture.world.url()).await.unwrap();
    let sql = "SELECT current_setting('server_version_num')::int / 10000";
    let server: i32 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = folders.filter(|folder| folder.path().join("bin/pg_dump").exists());
    let versions = programs.filter_map(|folder| folder.file_name().to_str()?.parse::<i32>().ok());
    versions.chain(version_in_path()).max().is_some_and(|newest| server > newest)
}

/// The major version of the `pg_dump` in `PATH`.
fn version_in_path() -> Option<i32> {
    let output = Command::new("pg_dump").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_once("(PostgreSQL) ")?.1.split_once('.')?.0.parse().ok()
}

on_both! {
    a_backup_states_what_it_holds,
    only_its_owner_may_read_a_backup,
    a_drill_proves_a_backup_and_signs_a_certificate,
    one_command_makes_and_proves_a_backup,
    a_certificate_that_was_changed_is_stale_or_is_a_strangers_does_not_hold,
    a_certificate_that_a_stranger_signed_counts_for_nothing,
    failed_and_unproven_runs_evict_no_good_backup,
    nothing_is_removed_while_the_backup_that_would_remain_is_damaged,
    a_key_that_a_backup_needs_is_not_destroyed,
    a_backup_of_another_key_fails_by_the_keys_name,
    a_stopped_run_leaves_older_backups_and_nothing_else,
    a_full_disk_leaves_no_backup,
    a_place_must_be_named_and_an_id_must_exist,
    the_scheduler_makes_backups_proves_them_and_keeps_some,
    an_old_or_missing_proof_is_an_alert,
}
