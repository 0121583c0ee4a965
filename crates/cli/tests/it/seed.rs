//! `rylie seed`

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Folder, Outcome};

const FILE: &str = r#"{"agencies": [{"name": "North", "domain": "north.example", "users": [{"email": "ann@north.example", "role": "AGENCY_ADMIN"}]}]}"#;

#[test]
fn seeding_twice_does_nothing_the_second_time() {
    let folder = Folder::migrated();

    let first = folder.run(["seed", "--json"]).expect(0).json();
    let second = folder.run(["seed", "--json"]).expect(0).json();

    assert_ne!(first["created"], 0);
    assert_eq!(second, json!({ "created": 0, "updated": 0 }));
}

#[test]
fn a_file_adds_what_it_names_and_updates_what_differs() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);

    folder.write("seed.json", FILE);
    assert_eq!(
        folder.run(["seed", "--file", "seed.json", "--json"]).expect(0).json(),
        json!({ "created": 2, "updated": 0 })
    );
    folder.write("seed.json", &FILE.replace("AGENCY_ADMIN", "USER"));
    assert_eq!(
        folder.run(["seed", "--file", "seed.json", "--json"]).expect(0).json(),
        json!({ "created": 0, "updated": 1 })
    );
}

#[test]
fn a_file_may_come_on_standard_input() {
    let folder = Folder::migrated();

    let mut command = folder.command(["seed", "--file", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(FILE.as_bytes()).unwrap();

    assert_eq!(Outcome::of(child.wait_with_output().unwrap()).expect(0).json(), json!({ "created": 4, "updated": 0 }));
}

#[test]
fn the_readmes_file_is_one() {
    let folder = Folder::migrated();
    let readme = include_str!("../../README.md");
    let (_, file) = readme.split_once("```json\n").unwrap();
    folder.write("seed.json", file.split_once("```").unwrap().0);

    folder.run(["seed", "--file", "seed.json"]).expect(0);
}

#[test]
fn an_unmigrated_database_is_left_alone() {
    let folder = Folder::new();

    folder.run(["seed"]).expect(1).says("run `rylie migrate deploy`");

    folder.run(["migrate", "status"]).expect(3);
}

#[test]
fn a_missing_file_is_named() {
    Folder::migrated().run(["seed", "--file", "nowhere.json"]).expect(1).says("nowhere.json");
}

#[test]
fn a_malformed_file_is_reported_by_line_and_column_and_never_quoted() {
    let folder = Folder::migrated();
    for text in [
        "{\n  \"canary\": 1}",
        "{\n \"users\": \"canary\"}",
        "{\n \"users\": [canary",
        "{\n\"users\": [{\"email\": 1, \"x\": \"canary\"}]}",
    ] {
        folder.write("seed.json", text);
        let outcome = folder.run(["seed", "--file", "seed.json", "-vv"]).expect(1);
        assert!(outcome.err.contains("at line 2, column "), "{outcome:?}");
        assert!(!outcome.err.contains("canary"), "{outcome:?}");
    }
}

#[test]
fn a_database_with_a_super_admin_gets_no_second_one() {
    let folder = Folder::migrated();
    folder.write("seed.json", r#"{"superAdmin": {"email": "root@example.com"}}"#);
    assert_eq!(folder.run(["seed", "--file", "seed.json", "--json"]).expect(0).json()["created"], 2);

    assert_eq!(folder.run(["seed", "--json"]).expect(0).json(), json!({ "created": 0, "updated": 0 }));
    folder.write("seed.json", FILE);
    assert_eq!(folder.run(["seed", "--file", "seed.json", "--json"]).expect(0).json()["created"], 2);
}
