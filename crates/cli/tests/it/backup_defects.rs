//! `rylie backup verify` on backups with planted defects: each is named.

use rylie_testkit::World;
use serde_json::{Value, json};

use crate::backup::{Fixture, flip_a_bit, largest_file, on_both, status};
use crate::support::Outcome;

/// Changes the manifest. Its signature goes, as it would show every change.
pub(crate) fn edit_manifest(fixture: &Fixture, id: &Value, edit: impl FnOnce(&mut Value)) {
    let path = fixture.path(id, "manifest.json");
    let mut manifest = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut manifest);
    std::fs::write(path, manifest.to_string()).unwrap();
    // An earlier edit may have removed it.
    let _ = std::fs::remove_file(fixture.path(id, "manifest.sig"));
}

/// A backup whose copy was made after `defect`, and whose manifest states what there was before.
async fn planted(fixture: &Fixture, defect: &str) -> Value {
    let before = fixture.create();
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(fixture.path(&before["id"], "manifest.json")).unwrap()).unwrap();
    fixture.sql(defect).await;
    let id = fixture.create()["id"].clone();
    edit_manifest(fixture, &id, |of| {
        for part in ["rows", "contents", "tenants", "fingerprint", "checkpoint"] {
            of[part] = manifest[part].clone();
        }
    });
    id
}

/// Insists that this check fails, and that the backup then counts as not proven.
#[track_caller]
fn fails(fixture: &Fixture, id: &Value, check: &str, words: &str) {
    let drilled = fixture.verify(id, 3);
    let (status, detail) = status(&drilled, check);
    assert!(status == "failed" && detail.contains(words), "{drilled:#}");
    assert_eq!((&drilled["verified"], &drilled["certificate"]), (&json!(false), &Value::Null));
    assert!(fixture.listed().iter().all(|backup| backup["id"] != *id || backup["verified"] == false));
}

async fn a_truncated_file_is_named(fixture: Fixture) {
    let id = fixture.create()["id"].clone();
    let path = largest_file(&fixture, &id);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();

    fails(&fixture, &id, "files", "is truncated");
}

async fn a_flipped_bit_is_named_and_withdraws_the_certificate(fixture: Fixture) {
    let id = fixture.run(&["backup", "create", "--verify", "--json"]).expect(0).json()["id"].clone();
    flip_a_bit(&fixture, &id);

    fails(&fixture, &id, "files", "its checksum differs");
    assert!(!fixture.path(&id, "certificate.txt").exists());
}

async fn a_missing_file_is_named(fixture: Fixture) {
    let id = fixture.create()["id"].clone();
    std::fs::remove_file(largest_file(&fixture, &id)).unwrap();

    fails(&fixture, &id, "files", "is missing");
}

async fn a_missing_manifest_is_named(fixture: Fixture) {
    let id = fixture.create()["id"].clone();
    std::fs::remove_file(fixture.path(&id, "manifest.json")).unwrap();

    fails(&fixture, &id, "manifest", "its manifest is missing");
}

async fn a_manifest_that_was_changed_is_named(fixture: Fixture) {
    let id = fixture.create()["id"].clone();
    let path = fixture.path(&id, "manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"Agency\": 2", "\"Agency\": 1", 1)).unwrap();

    fails(&fixture, &id, "manifest", "changed after it was signed");
}

async fn a_manifest_that_a_stranger_signed_is_named(fixture: Fixture) {
    let id = fixture.create()["id"].clone();
    fixture.run(&["audit", "keygen", "--out", "other.key"]).expect(0);
    let words = ["backup", "verify", id.as_str().unwrap(), "--key", "other.key", "--json"];
    let strange = Outcome::of(fixture.command(&words).env_remove("RYLIE_AUDIT_KEY").output().unwrap()).expect(3).json();

    let (status, detail) = status(&strange, "manifest");
    assert!(status == "failed" && detail.contains("unknown key"), "{strange:#}");
}

async fn an_emptied_table_is_named(fixture: Fixture) {
    let id = planted(&fixture, "DELETE FROM \"Request\"").await;

    fails(&fixture, &id, "rows", "Request is empty, expected 2 rows");
}

async fn a_changed_row_is_named(fixture: Fixture) {
    let id =
        planted(&fixture, "UPDATE \"Agency\" SET name = 'Another' WHERE id = (SELECT min(id) FROM \"Agency\")").await;

    fails(&fixture, &id, "contents", "Agency has other contents");
}

async fn a_missing_tenant_is_named(fixture: Fixture) {
    let id = fixture.create()["id"].clone();
    edit_manifest(&fixture, &id, |manifest| manifest["tenants"]["gone"] = json!({ "User": 1 }));

    fails(&fixture, &id, "tenants", "tenant gone is missing");
}

async fn a_changed_audit_record_is_named(fixture: Fixture) {
    let postgres = "SET session_replication_role = replica; UPDATE \"AuditLog\" SET details = '{\"changed\": 1}'";
    let sqlite = "DROP TRIGGER \"AuditLog_no_update\"; UPDATE \"AuditLog\" SET details = '{\"changed\": 1}'";
    fixture.sql(if fixture.world.is_postgres() { postgres } else { sqlite }).await;
    let id = fixture.create()["id"].clone();

    fails(&fixture, &id, "audit", "");
}

async fn another_databases_backup_is_named(fixture: Fixture) {
    let other = if fixture.world.is_postgres() { World::postgres().await } else { World::sqlite().await };
    let other = Fixture::on(other.unwrap()).await;
    // Databases from one template have one fingerprint.
    other.sql("UPDATE rylie_database SET fingerprint = 'another'").await;
    let made = other.create();
    std::fs::create_dir(fixture.folder.path("backups")).unwrap();
    std::fs::rename(other.path(&made["id"], ""), fixture.path(&made["id"], "")).unwrap();

    fails(&fixture, &made["id"], "database", "that of another database");
}

async fn a_copy_of_another_database_is_named(fixture: Fixture) {
    let id = planted(&fixture, "UPDATE rylie_database SET fingerprint = 'another'").await;
    fixture.sql(&format!("UPDATE rylie_database SET fingerprint = '{}'", fingerprint(&fixture, &id))).await;

    fails(&fixture, &id, "copy", "that of another database than its manifest");
}

fn fingerprint(fixture: &Fixture, id: &Value) -> String {
    let manifest: Value = serde_json::from_slice(&std::fs::read(fixture.path(id, "manifest.json")).unwrap()).unwrap();
    manifest["fingerprint"].as_str().unwrap().to_owned()
}

async fn a_broken_foreign_key_is_named(fixture: Fixture) {
    let broken = "UPDATE \"GA4Connection\" SET \"userId\" = 'nobody'";
    let before = if fixture.world.is_postgres() {
        "SET session_replication_role = replica"
    } else {
        "PRAGMA foreign_keys = OFF"
    };
    fixture.sql(&format!("{before}; {broken} WHERE id = (SELECT min(id) FROM \"GA4Connection\")")).await;
    let id = fixture.create()["id"].clone();

    fails(&fixture, &id, "foreign_keys", "GA4Connection");
}

async fn drift_of_the_schema_is_named(fixture: Fixture) {
    fixture.sql("DROP INDEX \"Request_tenantId_createdAt_idx\"").await;
    let id = fixture.create()["id"].clone();

    fails(&fixture, &id, "drift", "Request_tenantId_createdAt_idx");
}

on_both! {
    a_truncated_file_is_named,
    a_flipped_bit_is_named_and_withdraws_the_certificate,
    a_missing_file_is_named,
    a_missing_manifest_is_named,
    a_manifest_that_was_changed_is_named,
    a_manifest_that_a_stranger_signed_is_named,
    an_emptied_table_is_named,
    a_changed_row_is_named,
    a_missing_tenant_is_named,
    a_changed_audit_record_is_named,
    another_databases_backup_is_named,
    a_copy_of_another_database_is_named,
    a_broken_foreign_key_is_named,
    drift_of_the_schema_is_named,
}
