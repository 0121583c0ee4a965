//! Destructive commands on a database whose environment marker is production.

use rylie_testkit::Cluster;
use serde_json::json;

use crate::support::Folder;

/// Each destructive command, with flags that a user might expect to override the marker.
const DESTRUCTIVE: [(&str, &[&str]); 5] = [
    ("migrate down", &["--steps=2", "--json", "--quiet", "-v"]),
    ("migrate reset", &["--force", "--json", "--quiet", "-v"]),
    ("tenant erase a1", &["--yes", "--json", "--quiet", "-v"]),
    ("audit erase ann", &["--force", "--json", "--quiet", "-v"]),
    ("maintain usage --reset", &["--json", "--quiet", "-v"]),
];

/// Settings that change how the database is reached.
const SETTINGS: [(&str, &str); 2] = [("RYLIE_MAX_CONNECTIONS", "1"), ("RYLIE_BEHIND_POOLER", "true")];

fn subsets<'a>(flags: &'a [&'a str]) -> impl Iterator<Item = Vec<&'a str>> {
    (0_u32..1 << flags.len()).map(|chosen| {
        let chosen = |n: usize| chosen & (1 << n) != 0;
        flags.iter().enumerate().filter(|(n, _)| chosen(*n)).map(|(_, flag)| *flag).collect()
    })
}

fn words<'a>(command: &'a str, flags: &[&'a str], url: &'a str) -> Vec<&'a str> {
    command.split(' ').chain(flags.iter().copied()).chain(["--database-url", url]).collect()
}

fn marked(url: &str) -> Folder {
    let folder = Folder::new();
    folder.run(["migrate", "deploy", "--database-url", url]).expect(0);
    folder.run(["seed", "--database-url", url]).expect(0);
    folder.run(["environment", "mark", "production", "--database-url", url]).expect(0);
    folder
}

/// Every combination of flags, and each setting, is refused and deletes nothing.
fn nothing_is_destroyed(url: &str) {
    let folder = marked(url);
    for (command, all) in DESTRUCTIVE {
        for flags in subsets(all) {
            let outcome = folder.run(words(command, &flags, url)).expect(4);
            assert!(outcome.out.is_empty() && outcome.err.contains("refused"), "{command} {flags:?}: {outcome:?}");
        }
        for (variable, value) in SETTINGS {
            let outcome = folder.run_with(variable, value, words(command, all, url));
            assert!(matches!(outcome.code, Some(2 | 4)), "{variable} {command}: {outcome:?}");
        }
    }
    folder.run(["migrate", "status", "--database-url", url]).expect(0);
    let again = folder.run(["seed", "--json", "--database-url", url]).expect(0);
    assert_eq!(again.json(), json!({ "created": 0, "updated": 0 }), "seeding destroys nothing and is not refused");

    // The two documented steps.
    let unmark = ["environment", "mark", "staging", "--reason", "a rehearsal", "--database-url", url];
    folder.run(unmark).expect(0);
    folder.run(["migrate", "reset", "--force", "--database-url", url]).expect(0);
    assert_ne!(folder.run(["seed", "--json", "--database-url", url]).expect(0).json()["created"], 0);
}

#[test]
fn in_production_nothing_is_destroyed_under_any_combination_of_flags() {
    nothing_is_destroyed("sqlite://rylie.db?mode=rwc");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_production_nothing_is_destroyed_on_postgres_either() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    nothing_is_destroyed(&database.url());
}

#[test]
fn another_database_is_reported_by_its_fingerprint_and_left_untouched() {
    let (ours, other) = (Folder::migrated(), Folder::migrated());
    let shown = ours.run(["environment", "show", "--json"]).expect(0).json();
    let fingerprint = shown["fingerprint"].as_str().unwrap();

    ours.run_with("RYLIE_FINGERPRINT", fingerprint, ["migrate", "status"]).expect(0);
    for command in ["migrate deploy", "migrate status", "migrate reset --force", "seed", "tenant erase a1", "drift"] {
        let outcome = other.run_with("RYLIE_FINGERPRINT", fingerprint, command.split(' ')).expect(4);
        assert!(outcome.err.contains("fingerprint"), "{command}: {outcome:?}");
    }
    let empty = Folder::new();
    empty.run_with("RYLIE_FINGERPRINT", fingerprint, ["migrate", "deploy"]).expect(4);
    assert!(!empty.path("rylie.db").exists(), "a wrong path creates no file");
}

#[test]
fn a_copy_gets_a_fingerprint_of_its_own() {
    let folder = Folder::migrated();
    let before = folder.run(["environment", "show", "--json"]).expect(0).json();

    let words = ["environment", "mark", "staging", "--new-fingerprint", "--json"];
    let copy = folder.run(words).expect(0).json();

    assert_ne!(copy["fingerprint"], before["fingerprint"]);
    let renewed = folder.run(["audit", "list", "--action", "FINGERPRINT_RENEWED", "--json"]).expect(0).json();
    assert_eq!(renewed["records"].as_array().unwrap().len(), 1);
}
