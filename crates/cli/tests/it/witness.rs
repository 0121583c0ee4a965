//! `rylie audit witness`, consistency proofs, and exports that continue earlier ones.

use std::time::Duration;

use serde_json::Value;

use crate::audit::sqlite;
use crate::support::Folder;

/// Creates a log of two batches, with its checkpoints at two places.
fn sealed() -> Folder {
    let folder = Folder::migrated();
    folder.write("rylie.toml", "audit_checkpoints = ['outside', 'second']\n");
    folder.run(["audit", "keygen"]).expect(0);
    folder.run(["seed"]).expect(0);
    folder.run(["audit", "seal"]).expect(0);
    folder.run(["audit", "seal"]).expect(0);
    folder
}

fn witness(folder: &Folder, name: &str, more: &[&str]) -> crate::support::Outcome {
    let [key, state, out] = ["key", "state", "notes"].map(|file| format!("{name}.{file}"));
    if !folder.path(&key).exists() {
        folder.run(["audit", "keygen", "--out", &key]).expect(0);
    }
    let fixed = ["audit", "witness", "--json", "--name", name, "--key", &key, "--state", &state, "--out", &out];
    folder.run(fixed.iter().chain(more))
}

fn key_of(outcome: &crate::support::Outcome) -> String {
    outcome.json()["witness"].as_str().unwrap().to_owned()
}

/// Copies the database file to another name, or back.
fn copy(folder: &Folder, from: &str, to: &str) {
    std::fs::copy(folder.path(from), folder.path(to)).unwrap();
}

#[test]
fn checkpoints_go_to_every_place_and_each_is_compared() {
    let folder = sealed();
    let text = |file: &str| std::fs::read_to_string(folder.path(file)).unwrap();
    assert_eq!(text("outside"), text("second"));

    let verified = folder.run(["audit", "verify", "--json"]).expect(0).json();
    assert_eq!(verified["outside"]["checkpoints"], 2);
    // A log of another key at one place.
    let other = Folder::migrated();
    other.run(["audit", "keygen"]).expect(0);
    other.run(["audit", "seal", "--checkpoints", "outside"]).expect(0);
    folder.write("second", &std::fs::read_to_string(other.path("outside")).unwrap());
    folder.run(["audit", "verify"]).expect(3);
    std::fs::remove_file(folder.path("second")).unwrap();
    folder.run(["audit", "verify"]).expect(1);
    folder.run(["audit", "seal"]).expect(0);
    assert_eq!(text("outside"), text("second"));
}

#[test]
fn a_place_that_cannot_be_reached_does_not_stop_sealing() {
    let folder = sealed();
    let batches = |file: &str| std::fs::read_to_string(folder.path(file)).unwrap_or_default().matches("batch ").count();

    folder.run(["audit", "seal", "--checkpoints", "no-folder/file,outside"]).expect(1);
    assert_eq!(batches("outside"), 3);
    folder.run(["audit", "seal", "--checkpoints", "no-folder/file"]).expect(1);
    std::fs::create_dir(folder.path("no-folder")).unwrap();
    folder.run(["audit", "seal", "--checkpoints", "no-folder/file,outside"]).expect(0);
    assert_eq!((batches("no-folder/file"), batches("outside")), (4, 4), "nothing was sealed without any place");
}

#[test]
fn verification_takes_some_of_the_witnesses() {
    let folder = sealed();
    let [a, b] = ["a", "b"].map(|name| key_of(&witness(&folder, name, &["--begin"]).expect(0)));
    let keys = format!("{a},{b}");
    let notes = "a.notes,b.notes";

    let all = ["audit", "verify", "--json", "--witness", &keys, "--witness-statements", notes];
    let verified = folder.run(all).expect(0).json();
    assert_eq!(verified["witnesses"], serde_json::json!({ "required": 2, "of": 2, "last_batch": 2 }));
    let one = ["audit", "verify", "--json", "--witness", &keys, "--witness-statements", "a.notes"];
    let found = folder.run(one).expect(3).json();
    assert_eq!(found["first_bad"]["what"], "unwitnessed");
    folder.run(one.iter().copied().chain(["--require", "1"])).expect(0);
    folder.run(one.iter().copied().chain(["--require", "3"])).expect(2);
    folder.run(["audit", "verify", "--require", "1"]).expect(2);

    folder.run(["audit", "seal"]).expect(0);
    witness(&folder, "a", &[]).expect(0);
    let verified = folder.run(all).expect(0).json();
    assert_eq!(verified["witnesses"]["last_batch"], 2, "b has not seen the last batch");
    folder.write(
        "rylie.toml",
        &format!(
            "audit_checkpoints = 'outside'\naudit_witnesses = ['{a}', '{b}']\n\
             audit_witness_statements = ['a.notes', 'b.notes']\naudit_witnesses_required = 1\n"
        ),
    );
    let verified = folder.run(["audit", "verify", "--json", "--state", "state"]).expect(0).json();
    assert_eq!(verified["witnesses"], serde_json::json!({ "required": 1, "of": 2, "last_batch": 3 }));
    folder.run(["audit", "seal"]).expect(0);
    folder.run(["audit", "verify", "--state", "state"]).expect(0);
}

#[test]
fn a_history_that_is_rebuilt_with_the_right_key_is_found_by_a_witness() {
    let folder = sealed();
    let key = key_of(&witness(&folder, "a", &["--begin"]).expect(0));
    rebuild(&folder);

    folder.run(["audit", "verify", "--checkpoint", "rebuilt"]).expect(0);
    let verify =
        ["audit", "verify", "--json", "--checkpoint", "rebuilt", "--witness", &key, "--witness-statements", "a.notes"];
    let found = folder.run(verify).expect(3).json();

    assert_eq!((&found["first_bad"]["what"], &found["first_bad"]["batch"]), (&"rehashed".into(), &2.into()));
    // The witness does not sign the new history, and says why.
    let state = std::fs::read_to_string(folder.path("a.state")).unwrap();
    witness(&folder, "a", &["--checkpoints", "rebuilt"]).expect(3).line_says("forked");
    assert_eq!(std::fs::read_to_string(folder.path("a.state")).unwrap(), state);
}

/// Changes a record, and seals the whole log again with the same key. Publishes it to the file `rebuilt`.
fn rebuild(folder: &Folder) {
    sqlite(
        folder,
        &[
            "DROP TRIGGER \"AuditLog_no_update\"",
            "DROP TRIGGER rylie_audit_leaf_no_delete",
            "DROP TRIGGER rylie_audit_tenant_no_delete",
            "DROP TRIGGER rylie_audit_batch_no_delete",
            "UPDATE \"AuditLog\" SET \"userId\" = 'mallory' WHERE id = (SELECT min(id) FROM \"AuditLog\")",
            "DELETE FROM rylie_audit_leaf",
            "DELETE FROM rylie_audit_tenant",
            "DELETE FROM rylie_audit_batch",
            "DELETE FROM rylie_audit_pending",
            "INSERT INTO rylie_audit_pending (position, record_id) SELECT position, id FROM \"AuditLog\"",
        ],
    );
    for _ in 0..3 {
        folder.run(["audit", "seal", "--checkpoints", "rebuilt"]).expect(0);
    }
}

#[test]
fn a_fork_that_is_shown_to_two_witnesses_is_found_whichever_is_kept() {
    let folder = sealed();
    for name in ["a", "b"] {
        witness(&folder, name, &["--begin"]).expect(0);
    }
    // Two copies of the database go on separately, each with the right key.
    folder.copy_database("fork.db");
    copy(&folder, "outside", "outside-fork");
    folder.run(["audit", "seal"]).expect(0);
    let fork = ["--database-url", "sqlite://fork.db"];
    folder.run(["audit", "seal", "--checkpoints", "outside-fork"].iter().chain(&fork)).expect(0);
    let a = key_of(&witness(&folder, "a", &[]).expect(0));
    let b = key_of(&witness(&folder, "b", &["--checkpoints", "outside-fork"]).expect(0));
    let keys = format!("{a},{b}");
    let verify = |more: &[&str]| {
        let fixed = [
            "audit",
            "verify",
            "--json",
            "--require",
            "1",
            "--witness",
            &keys,
            "--witness-statements",
            "a.notes,b.notes",
        ];
        folder.run(fixed.iter().chain(more)).expect(3).json()["first_bad"]["what"].clone()
    };

    assert_eq!(verify(&[]), "rehashed");
    assert_eq!(verify(&["--checkpoint", "outside-fork", fork[0], fork[1]]), "rehashed");
    witness(&folder, "b", &[]).expect(3).line_says("forked");
}

#[test]
fn a_witness_refuses_an_older_place_another_log_and_a_lost_state() {
    let folder = sealed();
    copy(&folder, "outside", "older");
    folder.run(["audit", "seal"]).expect(0);
    witness(&folder, "a", &[]).expect(4).line_says("needs `--begin`");
    witness(&folder, "a", &["--begin"]).expect(0);

    witness(&folder, "a", &["--checkpoints", "older"])
        .expect(3)
        .line_says("the checkpoints end at batch 2, but batch 3 was seen");
    let other = Folder::migrated();
    other.run(["audit", "keygen"]).expect(0);
    for _ in 0..4 {
        other.run(["audit", "seal", "--checkpoints", "outside"]).expect(0);
    }
    folder.write("foreign", &std::fs::read_to_string(other.path("outside")).unwrap());
    witness(&folder, "a", &["--checkpoints", "foreign"]).expect(3).line_says("another database");
    let stranger = folder.run(["audit", "keygen", "--out", "stranger.key"]).expect(0).out;
    witness(&folder, "a", &["--public-key", stranger.trim()]).expect(3).line_says("not trusted");
    std::fs::remove_file(folder.path("a.state")).unwrap();
    for more in [&[][..], &["--begin"]] {
        witness(&folder, "a", more).expect(4).line_says("is missing; restore it");
    }
}

#[test]
fn a_witness_that_is_killed_again_and_again_signs_one_history() {
    let folder = sealed();
    let key = key_of(&witness(&folder, "a", &["--begin"]).expect(0));
    for round in 0..12_u64 {
        folder.run(["audit", "seal"]).expect(0);
        let mut child = folder
            .start(["audit", "witness", "--name", "a", "--key", "a.key", "--state", "a.state", "--out", "a.notes"]);
        std::thread::sleep(Duration::from_millis(round * 5));
        let _ = child.kill();
        child.wait().unwrap();
    }
    witness(&folder, "a", &[]).expect(0);

    let verify = ["audit", "verify", "--json", "--witness", &key, "--witness-statements", "a.notes"];
    let verified = folder.run(verify).expect(0).json();
    assert_eq!(verified["witnesses"]["last_batch"], verified["last_batch"]);
}

#[test]
fn a_later_checkpoint_is_proven_to_continue_an_earlier_one_without_the_database() {
    let folder = sealed();
    copy(&folder, "outside", "old");
    for _ in 0..3 {
        folder.run(["audit", "seal"]).expect(0);
    }
    let proven = folder.run(["audit", "prove-consistency", "--from", "2", "--out", "chain", "--json"]).expect(0).json();
    assert_eq!((&proven["from"], &proven["to"]), (&2.into(), &5.into()));
    folder.run(["audit", "prove-consistency", "--from", "9", "--out", "none"]).expect(1);
    folder.run(["audit", "prove-consistency", "--to", "9", "--out", "none"]).expect(1);
    std::fs::remove_file(folder.path("rylie.db")).unwrap();

    let ends = ["audit", "verify-consistency", "chain", "--old", "old", "--new", "outside", "--json"];
    assert_eq!(folder.run(ends).expect(0).json()["to"], 5);
    folder.run(["audit", "verify-consistency", "outside", "--old", "old"]).expect(0);
    folder.run(["audit", "verify-consistency", "chain", "--old", "outside", "--new", "old"]).expect(3);
    // Without one of its checkpoints, and with one of another log.
    let chain = std::fs::read_to_string(folder.path("chain")).unwrap();
    let all: Vec<&str> = chain.split_inclusive("==\n").collect();
    folder.write("gap", &[all[0], all[1], all[3]].concat());
    folder.run(["audit", "verify-consistency", "gap"]).expect(3).line_says("missing");
    let other = sealed();
    let foreign = std::fs::read_to_string(other.path("outside")).unwrap();
    folder.write("mixed", &[&foreign, all[1], all[2]].concat());
    folder.run(["audit", "verify-consistency", "mixed"]).expect(3).line_says("forked");
}

/// Exports the first agency.
fn export(folder: &Folder, out: &str) {
    let records = folder.run(["audit", "list", "--action", "AGENCY_CREATED", "--json"]).expect(0).json();
    let id = records["records"].as_array().unwrap().last().unwrap()["resource_id"].as_str().unwrap().to_owned();
    folder.run(["tenant", "export", &id, "--out", out]).expect(0);
}

fn add_records(folder: &Folder, count: usize) {
    for _ in 0..count {
        let insert = "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") \
                      SELECT lower(hex(randomblob(8))), 'ann', 'REPORT_SENT', 'Request', id FROM \"Agency\"";
        sqlite(folder, &[insert]);
    }
}

#[test]
fn an_export_is_proven_to_add_to_an_earlier_one_and_nothing_else() {
    let folder = Folder::migrated();
    folder.run(["audit", "keygen"]).expect(0);
    folder.write("seed.json", r#"{"agencies": [{"name": "North", "domain": "north.example"}]}"#);
    folder.run(["seed", "--file", "seed.json"]).expect(0);
    let seal = || folder.run(["audit", "seal", "--checkpoints", "outside"]).expect(0);
    seal();
    export(&folder, "one.jsonl");
    add_records(&folder, 2);
    seal();
    seal();
    export(&folder, "two.jsonl");

    let since = ["audit", "verify-export", "two.jsonl", "--since", "one.jsonl", "--json"];
    let checked = folder.run(since).expect(0).json();
    assert_eq!(checked["added"], serde_json::json!({ "batches": 1, "records": 2 }));
    folder.run(since.iter().copied().chain(["--consistency", "outside"])).expect(0);
    let reversed =
        folder.run(["audit", "verify-export", "one.jsonl", "--since", "two.jsonl", "--json"]).expect(3).json();
    assert_eq!(reversed["ok"], Value::Bool(false));
    let same = folder.run(["audit", "verify-export", "two.jsonl", "--since", "two.jsonl", "--json"]).expect(0).json();
    assert_eq!(same["added"]["records"], 0);
    // A history that was rebuilt with the same key verifies alone, but does not continue the first export.
    rebuild(&folder);
    export(&folder, "rebuilt.jsonl");
    folder.run(["audit", "verify-export", "rebuilt.jsonl"]).expect(0);
    folder.run(["audit", "verify-export", "rebuilt.jsonl", "--since", "one.jsonl"]).expect(3);
    folder.run(since.iter().copied().chain(["--consistency", "rebuilt"])).expect(3);
}
