//! `rylie audit` and `rylie maintain audit`.

use std::sync::Arc;

use rylie_db::audit::SigningKey;
use rylie_db::maintenance::seal_audit;
use rylie_db::{Config, Database};
use rylie_testkit::TestEnv;

use crate::support::Folder;

/// Creates a database with records and a first seal.
fn sealed() -> Folder {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    folder.run(["audit", "keygen"]).expect(0);
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

pub(crate) fn sqlite(folder: &Folder, statements: &[&str]) {
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
    folder.write("copy.json", &std::fs::read_to_string(folder.path("proof.json")).unwrap());
    folder.run(["audit", "verify-proof", "proof.json", "--checkpoint", "copy.json"]).expect(2).says("cannot confirm");
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

    let key = other["public_key"].as_str().unwrap();
    folder.run(["audit", "verify", "--public-key", key]).expect(3);
    folder.run(["audit", "verify", "--public-key", key, "--checkpoint", "outside"]).expect(3);
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

/// Seals as a process would whose clock is months behind. Returns the number of records.
fn sealed_in_the_past(folder: &Folder) -> u64 {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let config = Config::new(&folder.url()).unwrap();
        let database = Database::connect_with(config, Arc::new(TestEnv::default())).await.unwrap();
        let key = SigningKey::load(&folder.path("signing.key")).unwrap();
        let sealed = seal_audit(&*database.store(), &key, &[]).await.unwrap();
        database.close().await;
        sealed.records
    })
}

#[test]
fn the_file_of_settings_names_key_checkpoints_and_how_long_records_are_kept() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    folder.write("rylie.toml", "audit_key = 'signing.key'\naudit_checkpoints = 'outside'\naudit_keep_days = 1\n");
    let public = folder.run(["audit", "keygen", "--json"]).expect(0).json()["public_key"].clone();
    assert!(folder.path("signing.key").exists());

    let sealed = sealed_in_the_past(&folder);
    let maintained = folder.run(["maintain", "audit", "--json"]).expect(0).json();
    assert_eq!((&maintained["batches"], &maintained["deleted"]), (&1.into(), &sealed.into()));

    let sealed = folder.run(["audit", "seal", "--json"]).expect(0).json();
    let printed = sealed["checkpoint"].as_str().unwrap();
    assert!(printed.contains(public.as_str().unwrap()));
    assert!(std::fs::read_to_string(folder.path("outside")).unwrap().ends_with(printed));
    assert!(!folder.path("rylie-audit.key").exists());
    folder.run(["audit", "verify", "--checkpoint", "outside"]).expect(0);
}

#[test]
fn a_flag_and_the_environment_go_over_the_file_of_settings() {
    let folder = Folder::migrated();
    folder.write("rylie.toml", "audit_key = 'of-the-file.key'\n");

    folder.run_with("RYLIE_AUDIT_KEY", "of-the-environment.key", ["audit", "keygen"]).expect(0);
    folder
        .run_with("RYLIE_AUDIT_KEY", "of-the-environment.key", ["audit", "keygen", "--out", "of-the-flag.key"])
        .expect(0);
    folder.run_with("RYLIE_AUDIT_KEY", "of-the-environment.key", ["audit", "seal"]).expect(0);
    folder.run(["audit", "seal", "--key", "of-the-flag.key"]).expect(0);

    assert!(!folder.path("of-the-file.key").exists());
    folder.run(["audit", "seal"]).expect(4).says("of-the-file.key is missing");
}

#[test]
fn a_verification_says_what_it_compared_and_takes_the_settings_place() {
    let folder = sealed();
    let alone = folder.run(["audit", "verify"]).expect(0);
    assert!(alone.out.contains("no checkpoint kept outside the database was compared"), "{alone:?}");
    assert!(folder.run(["audit", "verify", "--json"]).expect(0).json()["outside"].is_null());
    let named = folder.run(["audit", "verify", "--checkpoint", "outside", "--json"]).expect(0).json();
    assert_eq!(named["outside"], serde_json::json!({ "place": "outside", "checkpoints": 1 }));

    folder.write("rylie.toml", "audit_checkpoints = 'outside'\n");
    let by_settings = folder.run(["audit", "verify"]).expect(0);
    assert!(by_settings.out.contains("compared with 1 checkpoints at outside"), "{by_settings:?}");
    folder.copy_database("copy.db");
    folder.run(["audit", "seal"]).expect(0);
    let older = ["audit", "verify", "--json", "--database-url", "sqlite://copy.db"];
    assert_eq!(folder.run(older).expect(3).json()["first_bad"]["what"], "rolled_back");

    std::fs::remove_file(folder.path("outside")).unwrap();
    folder.run(["audit", "verify"]).expect(1).says("there are no checkpoints at outside");
    let fresh = Folder::migrated();
    fresh.write("rylie.toml", "audit_checkpoints = 'outside'\n");
    fresh.run(["audit", "verify"]).expect(0);
}

#[test]
fn an_older_copy_is_not_sealed_and_is_a_finding() {
    let folder = sealed();
    folder.copy_database("copy.db");
    folder.run(["audit", "seal", "--checkpoints", "outside"]).expect(0);
    let before = std::fs::read_to_string(folder.path("outside")).unwrap();

    let seal = ["audit", "seal", "--checkpoints", "outside", "--database-url", "sqlite://copy.db"];
    folder.run(seal).expect(3).says("the database ends before batch 2");
    folder.run(["audit", "seal", "--database-url", "sqlite://copy.db"]).expect(0);
    folder.run(seal).expect(3).says("another checkpoint of batch 2");

    assert_eq!(std::fs::read_to_string(folder.path("outside")).unwrap(), before);
}

#[test]
fn checkpoints_of_another_database_are_reported_as_such() {
    let (folder, other) = (sealed(), sealed());
    std::fs::copy(other.path("outside"), folder.path("others")).unwrap();

    let verified = folder.run(["audit", "verify", "--checkpoint", "others", "--json"]).expect(3);
    verified.line_says("these checkpoints belong to another database");
    assert!(!verified.err.contains("tampered"), "{verified:?}");
    assert_eq!(verified.json()["first_bad"]["what"], "other_database");
    folder
        .run(["audit", "seal", "--checkpoints", "others"])
        .expect(4)
        .says("these checkpoints belong to another database");
}

#[cfg(unix)]
#[test]
fn what_holds_records_is_for_its_owner_alone_and_written_over_by_force_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = sealed();
    let id = a_record(&folder);
    for command in [&["audit", "export"][..], &["audit", "prove", &id]] {
        let to = |more: &[&str]| folder.run([command, &["--out", "out"], more].concat());
        to(&[]).expect(0);
        assert_eq!(folder.path("out").metadata().unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::remove_file(folder.path("out")).unwrap();
        folder.write("out", "mine");
        std::fs::set_permissions(folder.path("out"), std::fs::Permissions::from_mode(0o644)).unwrap();
        to(&[]).expect(4).says("out exists; name another file, or add --force");
        assert_eq!(std::fs::read_to_string(folder.path("out")).unwrap(), "mine");

        to(&["--force"]).expect(0);
        assert_ne!(std::fs::read_to_string(folder.path("out")).unwrap(), "mine");
        assert_eq!(folder.path("out").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(folder.path("out")).unwrap();
    }
    let piped = folder.run(["audit", "export", "--out", "/dev/stdout", "--quiet"]).expect(0);
    assert!(piped.out.lines().count() > 1, "{piped:?}");
    folder.run(["audit", "export", "--out", "nowhere/out"]).expect(1).says("creating nowhere/out");
    let left = std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".rylie-")));
}

#[test]
fn erasing_asks_for_force() {
    sealed().run(["audit", "erase", "ann"]).expect(4);
}

#[test]
fn without_a_signing_key_nothing_is_sealed_and_no_key_is_left() {
    let folder = Folder::migrated();
    for command in [&["audit", "seal"][..], &["maintain", "audit"], &["audit", "erase", "ann", "--force"]] {
        folder.run(command).expect(4).says("rylie audit keygen");
        assert!(!folder.path("rylie-audit.key").exists());
    }
}

#[test]
fn a_key_that_is_not_there_is_not_made_anew_once_something_was_sealed() {
    let folder = sealed();

    folder.run(["audit", "seal", "--key", "mistyped.key"]).expect(4).says("mistyped.key is missing");

    assert!(!folder.path("mistyped.key").exists());
    folder.run(["audit", "keygen", "--out", "new.key"]).expect(0);
    folder.run(["audit", "seal", "--key", "new.key"]).expect(0);
    assert_eq!(folder.run(["audit", "verify", "--json"]).expect(0).json()["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn a_log_that_nobody_sealed_verifies_and_says_how_much_waits() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);

    let verified = folder.run(["audit", "verify", "--json"]).expect(0).json();

    assert_eq!((&verified["ok"], &verified["records"]), (&true.into(), &0.into()));
    assert!(verified["waiting"].as_u64().unwrap() > 0);
}

#[test]
fn a_broken_file_of_checkpoints_is_bad_usage_and_a_torn_end_is_passed_over() {
    let folder = sealed();
    let text = std::fs::read_to_string(folder.path("outside")).unwrap();
    for broken in ["", "nonsense\n", "{}", &text.replace("batch 1", "batch 2"), &text[1..]] {
        folder.write("broken", broken);
        folder.run(["audit", "verify", "--checkpoint", "broken"]).expect(2);
        folder.run_with("RYLIE_AUDIT_CHECKPOINTS", "broken", ["audit", "verify"]).expect(2);
    }
    folder.write("broken", &format!("{text}nonsense\n"));
    let line = format!("line {}", text.lines().count() + 1);
    folder.run(["audit", "seal", "--checkpoints", "broken"]).expect(2).says(&line);
    folder.run(["audit", "verify", "--checkpoint", "missing"]).expect(1);
    folder.write("torn", &format!("{text}{}", &text[..text.len() - 3]));
    folder.run(["audit", "verify", "--checkpoint", "torn"]).expect(0);
}

#[test]
fn a_database_older_than_the_state_of_the_last_verification_is_found() {
    let folder = sealed();
    folder.copy_database("copy.db");
    folder.run(["audit", "seal"]).expect(0);
    folder.run(["audit", "verify", "--state", "state.json"]).expect(0);
    let older = format!("sqlite://{}", folder.path("copy.db").display());

    let verified =
        folder.run(["audit", "verify", "--state", "state.json", "--database-url", &older, "--json"]).expect(3).json();

    assert_eq!(verified["first_bad"]["what"], "rolled_back");
    folder.write("state.json", "{\"batch\": 18446744073709551615, \"checkpoint\": \"\", \"total\": 0}");
    folder.run(["audit", "verify", "--state", "state.json"]).expect(2);
    folder.write(
        "state.json",
        &format!(
            "{{\"batch\": 18446744073709551615, \"checkpoint\": \"{}\", \"total\": 18446744073709551615}}",
            "0".repeat(64)
        ),
    );
    folder.run(["audit", "verify", "--state", "state.json"]).expect(3);
}

#[test]
fn a_proof_on_standard_output_is_written_despite_quiet() {
    let folder = sealed();
    let id = a_record(&folder);

    let proof = folder.run(["audit", "prove", &id, "--quiet"]).expect(0).out;

    folder.write("quiet.json", &proof);
    folder.run(["audit", "verify-proof", "quiet.json"]).expect(0);
}

#[test]
fn no_proof_is_given_of_a_record_that_was_changed() {
    let folder = sealed();
    let id = a_record(&folder);
    sqlite(
        &folder,
        &["DROP TRIGGER \"AuditLog_no_update\"", &format!("UPDATE \"AuditLog\" SET action = 'X' WHERE id = '{id}'")],
    );

    folder.run(["audit", "prove", &id, "--out", "proof.json"]).expect(3);

    assert!(!folder.path("proof.json").exists());
    folder.run(["audit", "prove", "nobody"]).expect(1);
}
