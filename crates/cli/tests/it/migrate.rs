//! `rylie migrate`

use serde_json::{Value, json};

use crate::support::{Folder, Outcome};

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn deploying_makes_the_default_database_and_says_what_it_applied() {
    let folder = Folder::new();

    let outcome = folder.run(["migrate", "deploy", "--json"]).expect(0);

    let json = outcome.json();
    assert!(names(&json["applied"]).contains(&"m20261123_000001_create_base_tables"));
    assert!(folder.path("rylie.db").exists());
}

#[test]
fn deploying_twice_applies_nothing_the_second_time() {
    let folder = Folder::migrated();
    assert_eq!(folder.run(["migrate", "deploy", "--json"]).expect(0).json(), json!({ "applied": [] }));
}

#[test]
fn status_of_an_empty_database_is_pending_and_exit_code_3() {
    let outcome = Folder::new().run(["migrate", "status", "--json"]).expect(3);

    let json = outcome.json();
    assert!(json["migrations"].as_array().unwrap().iter().all(|migration| migration["state"] == "pending"));
    outcome.line_says("run `rylie migrate deploy`");
}

#[test]
fn status_of_a_migrated_database_is_applied_and_exit_code_0() {
    let outcome = Folder::migrated().run(["migrate", "status", "--json"]).expect(0);

    let json = outcome.json();
    let migrations = json["migrations"].as_array().unwrap();
    assert!(!migrations.is_empty() && migrations.iter().all(|migration| migration["state"] == "applied"), "{json}");
    assert_eq!(outcome.err, "");
}

#[test]
fn down_takes_back_one_migration_unless_asked_otherwise() {
    let folder = Folder::migrated();

    assert_eq!(names(&folder.run(["migrate", "down", "--json"]).expect(0).json()["reverted"]).len(), 1);
    assert_eq!(names(&folder.run(["migrate", "down", "--steps", "2", "--json"]).expect(0).json()["reverted"]).len(), 2);
    folder.run(["migrate", "status"]).expect(3);
    assert_eq!(names(&folder.run(["migrate", "deploy", "--json"]).expect(0).json()["applied"]).len(), 3);
}

#[test]
fn down_by_no_steps_is_bad_usage() {
    Folder::migrated().run(["migrate", "down", "--steps", "0"]).expect(2);
}

#[test]
fn a_reset_without_force_is_refused_and_says_why() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);

    folder.run(["migrate", "reset"]).expect(4).says("deletes all data");

    assert_eq!(folder.run(["seed", "--json"]).expect(0).json(), json!({ "created": 0, "updated": 0 }));
}

#[test]
fn a_reset_by_force_makes_an_empty_database_anew() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);

    let reset = folder.run(["migrate", "reset", "--force", "--json"]).expect(0);

    assert!(!names(&reset.json()["applied"]).is_empty());
    assert_ne!(folder.run(["seed", "--json"]).expect(0).json()["created"], 0);
}

#[test]
fn eight_deploys_at_once_apply_each_migration_once() {
    let folder = Folder::new();

    let running: Vec<_> = (0..8).map(|_| folder.start(["migrate", "deploy", "--json"])).collect();
    let outcomes: Vec<_> =
        running.into_iter().map(|child| Outcome::of(child.wait_with_output().unwrap()).expect(0)).collect();

    let mut applied: Vec<String> = Vec::new();
    for outcome in &outcomes {
        applied.extend(names(&outcome.json()["applied"]).into_iter().map(str::to_owned));
    }
    applied.sort();
    let all = folder.run(["migrate", "status", "--json"]).expect(0).json();
    let all: Vec<&str> =
        all["migrations"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(applied, all);
}

#[test]
fn migrating_needs_no_keyring_yet() {
    Folder::new().run_with("RYLIE_KEYRING", "to-be-made.json", ["migrate", "deploy"]).expect(0);
}

#[test]
fn a_squash_is_not_written_over_a_file() {
    let folder = Folder::new();
    folder.write("schema.sql", "mine");

    folder.run(["migrate", "squash", "--out", "schema.sql"]).expect(4).says("schema.sql exists");

    assert_eq!(std::fs::read_to_string(folder.path("schema.sql")).unwrap(), "mine");
    folder.run(["migrate", "squash", "--out", "other.sql"]).expect(0);
}
