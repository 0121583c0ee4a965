//! `rylie backup verify` on a private server, and its attacks.

use std::process::Stdio;
use std::time::Duration;

use rylie_testkit::World;
use serde_json::Value;

use crate::adopt::Prisma;
use crate::backup::{Fixture, is_newer_than_the_programs, status};
use crate::support::Outcome;

/// A drill without a named server; its scratch files go to a folder of the test.
fn verify(fixture: &Fixture, id: &Value, words: &[&str]) -> Outcome {
    let words = [&["backup", "verify", id.as_str().unwrap(), "--json"], words].concat();
    let mut command = fixture.command(&words);
    Outcome::of(command.env_remove("RYLIE_BACKUP_SCRATCH_URL").env("TMPDIR", temporary(fixture)).output().unwrap())
}

/// The user of the private server must reach it.
fn temporary(fixture: &Fixture) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = fixture.folder.path("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    for path in [fixture.folder.path(""), folder.clone()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    folder
}

async fn fixture() -> Option<Fixture> {
    let fixture = Fixture::on(World::postgres().await.unwrap()).await;
    if is_newer_than_the_programs(&fixture).await {
        fixture.run(&["backup", "create"]).expect(4).says("is older than the server");
        return None;
    }
    Some(fixture)
}

fn left(fixture: &Fixture) -> Vec<String> {
    let entries = temporary(fixture).read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_needs_no_superuser_and_leaves_no_server() {
    let Some(fixture) = fixture().await else { return };
    let id = fixture.create()["id"].clone();
    let reader = format!("r_{}", name(&fixture));
    fixture
        .sql(&format!("CREATE ROLE {reader} LOGIN PASSWORD 'canary' BYPASSRLS; GRANT pg_read_all_data TO {reader}"))
        .await;
    let (_, rest) = fixture.world.url().split_once('@').unwrap();
    let words = ["backup", "verify", id.as_str().unwrap(), "--attacks", "--json"];
    let mut command = fixture.command(&words);
    command.env_remove("RYLIE_BACKUP_SCRATCH_URL").env("TMPDIR", temporary(&fixture));
    command.env("DATABASE_URL", format!("postgres://{reader}:canary@{rest}"));

    let drilled = Outcome::of(command.output().unwrap()).expect(0).json();

    for check in ["restore", "contents", "foreign_keys", "amcheck", "drift", "audit", "secrets", "attacks"] {
        assert_eq!(status(&drilled, check).0, "ok", "{check}: {drilled:#}");
    }
    assert!(left(&fixture).is_empty(), "{:?}", left(&fixture));
    assert_eq!(fixture.listed()[0]["verified"], true);
}

fn name(fixture: &Fixture) -> String {
    let name = fixture.world.url().split("rylie_test_").nth(1).unwrap().split('?').next().unwrap();
    format!("rylie_test_{name}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_drill_leaves_no_server_and_no_copy() {
    let Some(fixture) = fixture().await else { return };
    let id = fixture.create()["id"].clone();
    let mut command = fixture.command(&["backup", "verify", id.as_str().unwrap(), "--quiet"]);
    command.env_remove("RYLIE_BACKUP_SCRATCH_URL").env("TMPDIR", temporary(&fixture));
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let running =
        || left(&fixture).iter().any(|name| fixture.folder.path("tmp").join(name).join("data/PG_VERSION").exists());
    while !running() {
        assert!(child.try_wait().unwrap().is_none(), "it was still running");
        std::thread::sleep(Duration::from_millis(5));
    }

    child.kill().unwrap();
    child.wait().unwrap();

    for _ in 0..600 {
        if left(&fixture).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(left(&fixture).is_empty(), "the server's script has removed it: {:?}", left(&fixture));
    verify(&fixture, &id, &[]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_that_gets_through_is_named() {
    let Some(fixture) = fixture().await else { return };
    for (defect, words) in [
        ("ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY", "Task"),
        (
            "CREATE POLICY everyone ON \"Request\" USING (true) WITH CHECK (true)",
            "reads another tenant's rows in \"Request\"",
        ),
        (
            "CREATE POLICY asking ON \"Agency\" FOR SELECT USING (current_setting('rylie.tenant', true) = '')",
            "reads rows without a tenant in \"Agency\"",
        ),
    ] {
        fixture.sql(defect).await;
        let id = fixture.create()["id"].clone();

        let words_of = ["backup", "verify", id.as_str().unwrap(), "--attacks", "--json"];
        let drilled = fixture.run(&words_of).expect(3).json();

        let (status, detail) = status(&drilled, "attacks");
        assert!(status == "failed" && detail.contains(words), "{defect}: {status} {detail}");
        let undone = match defect.split(' ').nth(2).unwrap() {
            "\"Task\"" => "ALTER TABLE \"Task\" ENABLE ROW LEVEL SECURITY".to_owned(),
            policy => format!("DROP POLICY {policy} ON {}", defect.split(' ').nth(4).unwrap()),
        };
        fixture.sql(&undone).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_database_restores_with_equal_rows() {
    let Some(fixture) = fixture().await else { return };
    let prisma = Prisma::new().await;
    let at = |words: &[&str]| {
        let mut command = fixture.command(words);
        Outcome::of(command.env("DATABASE_URL", prisma.superuser_url()).output().unwrap())
    };
    at(&["adopt"]).expect(0);
    let made = at(&["backup", "create", "--json"]).expect(0).json();

    let drilled = at(&["backup", "verify", made["id"].as_str().unwrap(), "--json"]).expect(0).json();

    assert_eq!((&made["rows"]["Report"], &made["rows"]["User"]), (&Value::from(0), &Value::from(2)));
    for check in ["rows", "tenants", "contents", "foreign_keys"] {
        assert_eq!(status(&drilled, check).0, "ok", "{check}: {drilled:#}");
    }
}
