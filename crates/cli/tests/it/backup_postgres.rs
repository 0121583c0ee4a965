//! `rylie backup` on PostgreSQL: logins, servers and restores.

use std::process::{Command, Stdio};

use rylie_testkit::{Cluster, PostgresDatabase, World};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::backup::{Fixture, is_newer_than_the_programs, status};
use crate::backup_s3::fill;
use crate::support::{Folder, Outcome};

async fn fixture() -> Option<Fixture> {
    let fixture = Fixture::on(World::postgres().await.unwrap()).await;
    if is_newer_than_the_programs(&fixture).await {
        fixture.run(&["backup", "create"]).expect(4).says("is older than the server");
        return None;
    }
    Some(fixture)
}

/// A login of its own for one test: logins belong to the whole server.
async fn login(fixture: &Fixture, attributes: &str, grants: &str) -> (String, String) {
    let name = format!("b_{}", rylie_testkit_name(fixture));
    fixture
        .sql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'canary' {attributes}; {}", grants.replace('$', &name)))
        .await;
    (url_as(fixture, &name, "canary"), name)
}

fn rylie_testkit_name(fixture: &Fixture) -> String {
    let url = fixture.world.url();
    let name = url.split("rylie_test_").nth(1).unwrap();
    name.split('?').next().unwrap().to_owned()
}

fn url_as(fixture: &Fixture, name: &str, password: &str) -> String {
    let (_, rest) = fixture.world.url().split_once('@').unwrap();
    format!("postgres://{name}:{password}@{rest}")
}

fn create_as(fixture: &Fixture, url: &str) -> Outcome {
    Outcome::of(fixture.command(&["backup", "create", "--json"]).env("RYLIE_BACKUP_URL", url).output().unwrap())
}

async fn count(fixture: &Fixture, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(fixture.world.url()).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_policies_filter_is_refused() {
    let Some(fixture) = fixture().await else { return };
    let (url, _) = login(&fixture, "", "GRANT pg_read_all_data TO $").await;

    let outcome = create_as(&fixture, &url).expect(4);

    outcome.says("row-level security filters");
    assert!(!outcome.err.contains("canary"));
    assert!(fixture.listed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_past_the_policies_backs_up_everything_and_a_revoked_right_is_named() {
    let Some(fixture) = fixture().await else { return };
    let (url, name) = login(&fixture, "BYPASSRLS", "GRANT pg_read_all_data TO $").await;

    let made = create_as(&fixture, &url).expect(0).json();

    assert_eq!((made["rows"]["Agency"].as_i64(), made["recorded"].as_bool()), (Some(2), Some(true)));
    fixture.verify(&made["id"], 0);
    let grants = format!("REVOKE pg_read_all_data FROM {name}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}");
    fixture.sql(&format!("{grants}; REVOKE SELECT ON \"Task\" FROM {name}")).await;
    create_as(&fixture, &url).expect(4).says("may not read Task");
    assert_eq!(fixture.listed().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_login_backs_up_everything_and_may_change_nothing() {
    let Some(fixture) = fixture().await else { return };
    let name = format!("p_{}", rylie_testkit_name(&fixture));
    fixture.folder.write("backup.txt", "canary\n");
    let words = ["roles", "provision", "--backup", &name, "--backup-password-file", "backup.txt", "--json"];

    let made = fixture.run(&words).expect(0).json();
    fixture.run(&words).expect(0);

    assert_eq!((&made["roles"][0]["login"], &made["roles"][0]["kind"]), (&name.as_str().into(), &"backup".into()));
    let shown = fixture.run(&["roles", "show", "--json"]).expect(0).json();
    assert!(shown["roles"].as_array().unwrap().contains(&made["roles"][0]), "{shown:#}");
    let url = url_as(&fixture, &name, "canary");
    let backup = create_as(&fixture, &url).expect(0).json();
    fixture.verify(&backup["id"], 0);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let refused = sqlx::raw_sql("DELETE FROM \"Agency\"").execute(&mut connection).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"));
    fixture.run(&["roles", "provision", "--app", &name]).expect(4);
}

/// Begins a backup, and returns when so many bytes of it are written, or when it has ended.
fn begin_until(fixture: &Fixture, bytes: u64) -> std::process::Child {
    // What killed runs left is not of this one.
    let left = incomplete(fixture);
    let mut command = fixture.command(&["backup", "create", "--quiet"]);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let written = || -> u64 {
        let new = incomplete(fixture).into_iter().filter(|folder| !left.contains(folder));
        let files = new.flat_map(|folder| folder.join("dump").read_dir().into_iter().flatten().flatten());
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    };
    while child.try_wait().unwrap().is_none() && written() < bytes {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child
}

fn incomplete(fixture: &Fixture) -> Vec<std::path::PathBuf> {
    let hidden = fixture.folder.path("backups").read_dir().unwrap().flatten();
    let hidden = hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with(".incomplete"));
    hidden.map(|entry| entry.path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_killed_stopped_or_loses_its_server_leaves_older_backups_alone() {
    let cluster = Cluster::private().await.unwrap();
    let fixture = Fixture::on(World::postgres_of(&cluster).await.unwrap()).await;
    if is_newer_than_the_programs(&fixture).await {
        fixture.run(&["backup", "create"]).expect(4);
        return;
    }
    let bulk = "SELECT i AS id, repeat(md5(i::text), 10) AS text FROM generate_series(1, 200000) AS i";
    fixture.sql(&format!("CREATE TABLE bulk AS {bulk}")).await;
    let good = fixture.run(&["backup", "create", "--verify", "--json"]).expect(0).json();
    let bytes = good["bytes"].as_u64().unwrap();

    for percent in [10, 50, 90] {
        let mut child = begin_until(&fixture, bytes * percent / 100);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut child = begin_until(&fixture, bytes / 10);
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let before = fixture.listed();
    let mut child = begin_until(&fixture, bytes / 10);
    cluster.crash().await.unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    cluster.start_again().await.unwrap();

    let listed = fixture.listed();
    assert_eq!(listed.len(), before.len());
    assert!(listed.iter().all(|backup| backup["problem"].is_null()), "{listed:#?}");
    assert_eq!((&listed.last().unwrap()["id"], &listed.last().unwrap()["verified"]), (&good["id"], &true.into()));
    fixture.verify(&good["id"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_tools_alone_restore_a_backup() {
    let Some(fixture) = fixture().await else { return };
    let made = fixture.create();
    let target = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let programs = Cluster::shared().await.unwrap().programs().unwrap();
    let mut program = Command::new(programs.join("pg_restore"));
    program.args(["--exit-on-error", "--jobs=4", "--dbname", &target.url()]).arg(fixture.path(&made["id"], "dump"));

    assert!(program.status().unwrap().success());

    fixture.run(&["drift", "--database-url", &target.url()]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_login_leaves_nothing_and_shows_no_password() {
    let Some(fixture) = fixture().await else { return };

    let outcome = create_as(&fixture, &url_as(&fixture, "nobody_of_this_name", "canary")).expect(1);

    assert!(!outcome.err.contains("canary") && outcome.out.is_empty(), "{outcome:?}");
    assert!(fixture.listed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_row_level_security_emptied_is_named() {
    let Some(fixture) = fixture().await else { return };
    let made = fixture.create();
    let (url, _) = login(&fixture, "", "GRANT pg_read_all_data TO $").await;
    let dump = fixture.path(&made["id"], "dump");
    std::fs::remove_dir_all(&dump).unwrap();
    let programs = Cluster::shared().await.unwrap().programs().unwrap();
    let mut program = Command::new(programs.join("pg_dump"));
    let done = program.args(["--enable-row-security", "--format=directory", "--file"]).arg(&dump).arg(&url).status();
    assert!(done.unwrap().success(), "it exits with 0 all the same");
    replace_checksums(&fixture, &made["id"]);

    let drilled = fixture.verify(&made["id"], 3);

    let (status, detail) = status(&drilled, "rows");
    assert!(status == "failed" && detail.contains("row-level security filters"), "{drilled:#}");
}

/// As if the manifest had been written for the files that are there.
fn replace_checksums(fixture: &Fixture, id: &Value) {
    edit(fixture, id, |manifest| {
        let mut files = serde_json::Map::new();
        for entry in fixture.path(id, "dump").read_dir().unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
            let sha256: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let name = format!("dump/{}", path.file_name().unwrap().to_str().unwrap());
            files.insert(name, serde_json::json!({ "bytes": bytes.len(), "sha256": sha256.concat() }));
        }
        manifest["files"] = files.into();
    });
}

fn edit(fixture: &Fixture, id: &Value, edit: impl FnOnce(&mut Value)) {
    let path = fixture.path(id, "manifest.json");
    let mut manifest = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut manifest);
    std::fs::write(path, manifest.to_string()).unwrap();
    let _ = std::fs::remove_file(fixture.path(id, "manifest.sig"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_scratch_server_lacks_is_no_damage() {
    let Some(fixture) = fixture().await else { return };
    let id = fixture.run(&["backup", "create", "--verify", "--json"]).expect(0).json()["id"].clone();
    let (url, _) = login(&fixture, "CREATEDB", "").await;
    let words = ["backup", "verify", id.as_str().unwrap(), "--scratch", &url];
    fixture.run(&words).expect(1).line_says("no superuser of the scratch server");

    for (part, value, words) in [
        ("roles", serde_json::json!(["nobody_of_this_name"]), "lacks the role nobody_of_this_name"),
        ("extensions", serde_json::json!(["no_such_extension"]), "lacks the extension no_such_extension"),
        ("server", serde_json::json!("99.1"), "older than 99.1"),
    ] {
        let path = fixture.path(&id, "manifest.json");
        let before = std::fs::read(&path).unwrap();
        edit(&fixture, &id, |manifest| manifest[part] = value);
        fixture.run(&["backup", "verify", id.as_str().unwrap()]).expect(1).line_says(words);
        std::fs::write(path, before).unwrap();
    }
    assert_eq!(fixture.listed()[0]["verified"], true, "the certificate of the earlier drill stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_leaves_no_database_and_removes_what_a_killed_one_left() {
    let cluster = Cluster::private().await.unwrap();
    let fixture = Fixture::on(World::postgres_of(&cluster).await.unwrap()).await;
    if is_newer_than_the_programs(&fixture).await {
        fixture.run(&["backup", "create"]).expect(4);
        return;
    }
    let scratch = "SELECT count(*) FROM pg_database WHERE datname LIKE 'rylie\\_drill\\_%'";
    let id = fixture.create()["id"].clone();
    let mut connection = PgConnection::connect(fixture.world.url()).await.unwrap();
    let origin = sqlx::query_scalar::<_, String>("SELECT left(md5(current_database()), 8)").fetch_one(&mut connection);
    fixture.sql(&format!("CREATE DATABASE rylie_drill_{}_0000000000000000", origin.await.unwrap())).await;

    fixture.verify(&id, 0);

    assert_eq!(count(&fixture, scratch).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_takes_no_service_until_its_restore_is_complete() {
    let Some(fixture) = fixture().await else { return };
    fill(&fixture, 20).await;
    let made = fixture.create();
    let target = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let limit = format!("SELECT datconnlimit::bigint FROM pg_database WHERE datname = '{}'", target.name());
    let words = ["backup", "restore", made["id"].as_str().unwrap(), "--to", &target.url()];
    let child = fixture.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&fixture, &limit, 0).await;

    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let stopped = Outcome::of(child.wait_with_output().unwrap());

    assert!(stopped.code == Some(1) && stopped.err.contains("is not complete"), "{stopped:?}");
    assert_eq!(count(&fixture, &limit).await, 0);
    let whole = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    fixture.run(&["backup", "restore", made["id"].as_str().unwrap(), "--to", &whole.url()]).expect(0);
    assert_eq!(count(&fixture, &limit.replace(target.name(), whole.name())).await, -1);
}

async fn wait_for(fixture: &Fixture, sql: &str, wanted: i64) {
    let begun = std::time::Instant::now();
    while count(fixture, sql).await != wanted {
        assert!(begun.elapsed().as_secs() < 60, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_of_backups_leads_to_the_same_database() {
    let Some(fixture) = fixture().await else { return };
    let other = World::postgres().await.unwrap();
    let mut connection = PgConnection::connect(other.url()).await.unwrap();
    let sql = "UPDATE rylie_database SET fingerprint = gen_random_uuid()";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();

    create_as(&fixture, other.url()).expect(4).line_says("backup_url leads to another database");

    assert!(fixture.listed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_has_the_same_rows_and_only_an_empty_one_is_restored_into() {
    let Some(fixture) = fixture().await else { return };
    // Retention would remove those that have ended by the system's clock.
    fixture.sql("UPDATE \"Session\" SET expires = '2099-01-01'").await;
    let made = fixture.create();
    let target: PostgresDatabase = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let words = ["backup", "restore", made["id"].as_str().unwrap(), "--to", &target.url()];

    fixture.run(&words).expect(0);
    fixture.run(&words).expect(4).says("the target is not empty");

    let mut restored = fixture.command(&["backup", "create", "--json", "--out", "again"]);
    let again = Outcome::of(restored.env("DATABASE_URL", target.url()).output().unwrap()).expect(0).json();
    let rows = |of: &Value| {
        let mut rows = of["rows"].clone();
        // The backup and the restore were recorded after the copy.
        rows.as_object_mut().unwrap().retain(|table, _| table != "AuditLog" && table != "rylie_audit_pending");
        rows
    };
    assert_eq!(rows(&again), rows(&made));
    let contents = |path: std::path::PathBuf| -> Value {
        serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap()["contents"].clone()
    };
    let again = fixture.folder.path("again").join(again["id"].as_str().unwrap()).join("manifest.json");
    let (mut before, mut after) = (contents(fixture.path(&made["id"], "manifest.json")), contents(again));
    for of in [&mut before, &mut after] {
        of.as_object_mut().unwrap().retain(|table, _| table != "AuditLog" && table != "rylie_audit_pending");
    }
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_before_a_deploy_is_made_and_proven() {
    let Some(fixture) = fixture().await else { return };
    fixture.sql("SELECT 1").await;
    fixture.run(&["migrate", "down"]).expect(0);

    let made = fixture.create();
    let drilled = fixture.verify(&made["id"], 0);

    assert_eq!(status(&drilled, "drift").0, "not-checked");
    assert!(status(&drilled, "migrations").1.contains("1 pending"), "{drilled:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_restored_where_there_is_none() {
    let fixture = Fixture::on(World::sqlite().await.unwrap()).await;
    let made = fixture.create();
    let to = format!("sqlite://{}", fixture.folder.path("restored.db").display());
    let words = ["backup", "restore", made["id"].as_str().unwrap(), "--to", &to];

    fixture.run(&words).expect(0);
    fixture.run(&words).expect(4).line_says("the target is not empty");

    let status = Folder::new().run(["migrate", "status", "--database-url", &to]);
    status.expect(0);
    crate::backup::flip_a_bit(&fixture, &made["id"]);
    let other = format!("sqlite://{}", fixture.folder.path("other.db").display());
    fixture.run(&["backup", "restore", made["id"].as_str().unwrap(), "--to", &other]).expect(3);
    assert!(!fixture.folder.path("other.db").exists());
}
