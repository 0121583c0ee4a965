//! `rylie doctor` on backups, the audit log, keys, jobs, alerts and growth: each fault is found, its absence is not.

use std::net::TcpListener;

use rylie_testkit::World;
use serde_json::Value;

use crate::backup::Fixture;

fn check(fixture: &Fixture, id: &str, more: &[&str]) -> Value {
    let words: Vec<&str> = ["doctor", "--json", "--only", id].iter().chain(more).copied().collect();
    let outcome = fixture.run(&words);
    assert!([Some(0), Some(3)].contains(&outcome.code), "{outcome:?}");
    outcome.json()["checks"][0].clone()
}

fn status(fixture: &Fixture, id: &str) -> String {
    check(fixture, id, &[])["status"].as_str().unwrap().to_owned()
}

async fn fixture() -> Fixture {
    let fixture = Fixture::on(World::sqlite().await.unwrap()).await;
    fixture.folder.write("rylie.toml", "audit_checkpoints = \"checkpoints.txt\"\n");
    fixture
}

#[tokio::test]
async fn an_old_a_missing_and_a_damaged_backup_are_found() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "application.backup-age"), "critical");
    let id = fixture.create()["id"].clone();
    assert_eq!(status(&fixture, "application.backup-age"), "critical", "it is not verified");
    fixture.verify(&id, 0);
    assert_eq!(status(&fixture, "application.backup-age"), "ok");
    assert_eq!(status(&fixture, "application.backup-damage"), "ok");
    assert_eq!(status(&fixture, "application.marker"), "ok", "the backup has the fingerprint");
    let old = check(&fixture, "application.backup-age", &["--threshold", "application.backup-age=0"]);
    assert_eq!(old["status"], "warning");
    let copy = fixture.path(&id, "manifest.json").parent().unwrap().to_owned();
    let largest = std::fs::read_dir(&copy).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let largest = largest.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(&largest).unwrap();
    let mut rotten = whole.clone();
    let middle = rotten.len() / 2;
    rotten[middle] ^= 1;
    std::fs::write(&largest, rotten).unwrap();
    assert_eq!(status(&fixture, "application.backup-damage"), "ok", "contents are not read");
    assert_eq!(check(&fixture, "application.backup-damage", &["--deep"])["status"], "critical");
    std::fs::write(&largest, whole).unwrap();
    std::fs::write(fixture.path(&id, "manifest.json"), "{}").unwrap();
    assert_eq!(status(&fixture, "application.backup-damage"), "warning");
}

#[tokio::test]
async fn a_tampered_log_and_a_checkpoint_that_is_not_outside_are_found() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "application.audit-log"), "ok");
    assert_eq!(status(&fixture, "application.audit-checkpoint"), "ok");
    let old = ["--threshold", "application.audit-checkpoint=0"];
    assert_eq!(check(&fixture, "application.audit-checkpoint", &old)["status"], "warning");
    std::fs::remove_file(fixture.folder.path("checkpoints.txt")).unwrap();
    assert_eq!(status(&fixture, "application.audit-checkpoint"), "critical");
    fixture.sql("DROP TRIGGER \"AuditLog_no_update\"; UPDATE \"AuditLog\" SET action = 'X'").await;
    assert_eq!(status(&fixture, "application.audit-log"), "critical");
}

#[tokio::test]
async fn another_fingerprint_than_that_of_the_sealed_log_is_found() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "application.marker"), "ok");
    fixture.sql("UPDATE rylie_database SET fingerprint = '00000000-0000-4000-8000-000000000000'").await;
    let report = fixture.run(&["doctor", "--json", "--only", "application"]).expect(3).json();
    let marker = report["checks"].as_array().unwrap().iter().find(|check| check["id"] == "application.marker").unwrap();
    assert_eq!(marker["status"], "warning");
}

#[tokio::test]
async fn an_open_keyring_an_old_key_and_a_moved_secret_are_found() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "application.keyring"), "ok");
    assert_eq!(status(&fixture, "application.secrets-keys"), "ok");
    assert_eq!(status(&fixture, "application.secrets-open"), "not-checked");
    assert_eq!(check(&fixture, "application.secrets-open", &["--deep"])["status"], "ok");
    fixture.run(&["keys", "rotate"]).expect(0);
    assert_eq!(status(&fixture, "application.secrets-keys"), "warning");
    fixture
        .sql("UPDATE \"GA4Connection\" SET \"accessToken\" = (SELECT max(\"accessToken\") FROM \"GA4Connection\")")
        .await;
    assert_eq!(check(&fixture, "application.secrets-open", &["--deep"])["status"], "critical");
    let keyring = fixture.world.keyring();
    std::fs::set_permissions(&keyring, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(status(&fixture, "application.keyring"), "critical");
}

/// Without the key no certificate can be believed, which is not the fault of the backups.
#[tokio::test]
async fn a_missing_signing_key_is_the_cause_of_unverified_backups() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "application.audit-key"), "ok");
    let id = fixture.create()["id"].clone();
    fixture.verify(&id, 0);
    let key = fixture.folder.path("audit.key");
    std::fs::rename(&key, key.with_extension("gone")).unwrap();

    let report = fixture.run(&["doctor", "--json", "--only", "application"]).expect(3).json();

    let of = |id: &str| report["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap().clone();
    assert_eq!(of("application.audit-key")["status"], "critical");
    assert_eq!(of("application.backup-age")["root_cause"], "application.audit-key");
}

#[tokio::test]
async fn a_late_job_is_found() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "application.jobs-late"), "ok");
    fixture.sql("UPDATE rylie_database SET created_at = '2020-01-01 00:00:00'").await;
    assert_eq!(status(&fixture, "application.jobs-late"), "warning");
}

#[tokio::test]
async fn a_target_of_alerts_that_does_not_answer_is_found() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "application.alert-targets"), "not-checked");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    fixture.folder.write("rylie.toml", &format!("size_notify = \"http://{place}/canary\"\n"));
    assert_eq!(status(&fixture, "application.alert-targets"), "ok");
    drop(listener);
    let found = check(&fixture, "application.alert-targets", &[]);
    assert_eq!(found["status"], "critical");
    assert!(!found.to_string().contains("canary"));
}

#[tokio::test]
async fn fast_growth_and_a_disk_that_will_be_full_are_found() {
    let fixture = fixture().await;
    assert_eq!(status(&fixture, "tables.growth"), "not-checked");
    fixture
        .sql(
            "INSERT INTO rylie_size_history (table_name, at, bytes) VALUES ('', strftime('%Y-%m-%d %H:%M:%S', 'now', '-10 days'), 1000000), \
             ('', strftime('%Y-%m-%d %H:%M:%S', 'now'), 2000000)",
        )
        .await;
    assert_eq!(status(&fixture, "tables.growth"), "critical");
    let slow = ["--threshold=tables.growth=1000", "--threshold=tables.growth.critical=9000"];
    assert_eq!(check(&fixture, "tables.growth", &slow)["status"], "ok");
    assert_eq!(status(&fixture, "tables.disk-full"), "not-checked");
    assert_eq!(check(&fixture, "tables.disk-full", &["--disk-capacity", "2MB"])["status"], "critical");
    assert_eq!(check(&fixture, "tables.disk-full", &["--disk-capacity", "1GB"])["status"], "ok");
}
