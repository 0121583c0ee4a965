//! `rylie audit` and `rylie maintain audit`.

use crate::support::Folder;

/// A database with records in it, and what a first seal left.
fn sealed() -> Folder {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    folder.run(["audit", "seal", "--checkpoints", "outside"]).expect(0);
    folder
}

fn a_record(folder: &Folder) -> String {
    let list = folder.run(["audit", "list", "--json"]).expect(0).json();
    let records = list["records"].as_array().unwrap().clone();
    records.last().unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_was_sealed_verifies_with_the_checkpoint_outside() {
    let folder = sealed();

    let verified = folder.run(["audit", "verify", "--checkpoint", "outside", "--json"]).expect(0).json();

    assert_eq!((&verified["ok"], &verified["first_bad"]), (&true.into(), &serde_json::Value::Null));
    assert!(verified["records"].as_u64().unwrap() > 0);
}

#[test]
fn sealing_prints_a_checkpoint_that_verify_takes() {
    let folder = sealed();
    for arguments in [&["audit", "seal"][..], &["audit", "seal", "--json"]] {
        let out = folder.run(arguments).expect(0).out;
        folder.write("printed", &out);
        folder.run(["audit", "verify", "--checkpoint", "printed"]).expect(0);
    }
}

#[test]
fn a_tampered_log_is_found_and_the_record_named() {
    let folder = sealed();
    let id = a_record(&folder);
    sqlite(
        &folder,
        &["DROP TRIGGER \"AuditLog_no_update\"", &format!("UPDATE \"AuditLog\" SET action = 'X' WHERE id = '{id}'")],
    );

    let verified = folder.run(["audit", "verify", "--json"]).expect(3).json();

    assert_eq!(verified["ok"], false);
    assert_eq!((&verified["first_bad"]["what"], &verified["first_bad"]["record"]), (&"changed".into(), &id.into()));
}

fn sqlite(folder: &Folder, statements: &[&str]) {
    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = SqliteConnection::connect(&folder.url()).await.unwrap();
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn a_proof_is_checked_without_the_database_and_an_edited_one_is_refused() {
    let folder = sealed();
    let id = a_record(&folder);
    folder.run(["audit", "prove", &id, "--out", "proof.json"]).expect(0);
    std::fs::remove_file(folder.path("rylie.db")).unwrap();

    folder.run(["audit", "verify-proof", "proof.json", "--checkpoint", "outside"]).expect(0);
    let edited = std::fs::read_to_string(folder.path("proof.json")).unwrap().replace(&id, "other");
    folder.write("edited.json", &edited);
    assert_eq!(folder.run(["audit", "verify-proof", "edited.json", "--json"]).expect(3).json()["ok"], false);
    assert!(!folder.path("rylie.db").exists());
}

#[test]
fn a_key_is_made_once_and_checkpoints_of_another_are_not_believed() {
    let folder = sealed();
    folder.run(["audit", "keygen"]).expect(4);
    let other = folder.run(["audit", "keygen", "--out", "other.key", "--json"]).expect(0).json();

    folder.run(["audit", "verify", "--public-key", other["public_key"].as_str().unwrap()]).expect(3);
    folder.run(["audit", "verify", "--public-key", "ed25519:nonsense"]).expect(2);
}

#[test]
fn a_verification_with_a_state_file_goes_on() {
    let folder = sealed();
    folder.run(["audit", "verify", "--state", "state.json"]).expect(0);
    folder.run(["audit", "seal"]).expect(0);

    let verified = folder.run(["audit", "verify", "--state", "state.json", "--json"]).expect(0).json();

    assert_eq!(verified["batches"], 1);
}

#[test]
fn an_export_has_a_line_for_each_record() {
    let folder = sealed();
    let exported = folder.run(["audit", "export", "--out", "log.jsonl", "--json"]).expect(0).json();

    let lines = std::fs::read_to_string(folder.path("log.jsonl")).unwrap();
    assert_eq!(exported["records"].as_u64().unwrap(), lines.lines().count() as u64);
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn maintaining_seals_and_removes_nothing_that_is_young() {
    let folder = sealed();

    let done = folder.run(["maintain", "audit", "--keep-days", "1", "--json"]).expect(0).json();

    assert_eq!(done["deleted"], 0);
    assert!(done["sealed"].as_u64().unwrap() > 0);
    folder.run(["maintain", "audit", "--keep-days", "0"]).expect(2);
}

#[test]
fn erasing_asks_for_force() {
    sealed().run(["audit", "erase", "ann"]).expect(4);
}
