//! `rylie environment`

use crate::support::Folder;

const STAGING: [&str; 3] = ["environment", "mark", "staging"];

#[test]
fn a_fresh_database_is_for_development_and_has_a_fingerprint() {
    let json = Folder::migrated().run(["environment", "show", "--json"]).expect(0).json();

    assert_eq!(json["environment"], "development");
    assert!(!json["fingerprint"].as_str().unwrap().is_empty());
}

#[test]
fn an_unmigrated_database_has_no_mark_to_show_or_set() {
    let folder = Folder::new();
    folder.run(["environment", "show"]).expect(1).says("run `rylie migrate deploy`");
    folder.run(STAGING).expect(1).says("run `rylie migrate deploy`");
}

#[test]
fn the_mark_is_kept_and_the_fingerprint_with_it() {
    let folder = Folder::migrated();
    let before = folder.run(["environment", "show", "--json"]).expect(0).json();

    let marked = folder.run(["environment", "mark", "staging", "--json"]).expect(0).json();

    assert_eq!(marked["environment"], "staging");
    assert_eq!(marked["fingerprint"], before["fingerprint"]);
    assert_eq!(folder.run(["environment", "show", "--json"]).expect(0).json(), marked);
}

#[test]
fn in_production_nothing_is_taken_back_or_reset() {
    let folder = Folder::migrated();
    folder.run(["environment", "mark", "production"]).expect(0);

    folder.run(["migrate", "down"]).expect(4).says("production");
    folder.run(["migrate", "reset", "--force"]).expect(4).says("production");

    folder.run(["migrate", "status"]).expect(0);
}

#[test]
fn production_is_left_in_two_steps_and_with_a_reason() {
    let folder = Folder::migrated();
    folder.run(["environment", "mark", "production"]).expect(0);

    folder.run(STAGING).expect(4).says("two steps");
    folder.run([&STAGING[..], &["--reason", " "]].concat()).expect(4);
    folder.run([&STAGING[..], &["--reason", ""]].concat()).expect(2);
    assert_eq!(folder.run(["environment", "show", "--json"]).expect(0).json()["environment"], "production");

    folder.run([&STAGING[..], &["--reason", "a rehearsal"]].concat()).expect(0);
    folder.run(["migrate", "down"]).expect(0);
}

#[test]
fn production_marked_again_stays_production() {
    let folder = Folder::migrated();
    folder.run(["environment", "mark", "production"]).expect(0);
    folder.run(["environment", "mark", "production"]).expect(0);
}

#[test]
fn another_environment_is_bad_usage() {
    Folder::migrated().run(["environment", "mark", "prod"]).expect(2);
}
