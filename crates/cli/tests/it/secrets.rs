//! Passwords and row values are never printed.

use crate::support::Folder;

const URLS: [&str; 8] = [
    "postgres://me:canary@127.0.0.1:1/db",
    "postgres://127.0.0.1:1/db?user=me&password=canary",
    "postgres://me:can?canary@127.0.0.1:1/db",
    "postgres://me:x@canary@127.0.0.1:1/db",
    "postgres:me:canary@127.0.0.1:1/db",
    "mysql://me:canary@127.0.0.1:1/db",
    "host=127.0.0.1 port=1 password=canary",
    "me:canary@127.0.0.1",
];

#[test]
fn no_password_is_shown_in_errors_or_settings() {
    let folder = Folder::new();
    folder.write("rylie.toml", "acquire_timeout_seconds = 1\n");
    for url in URLS {
        for command in [&["migrate", "status"][..], &["seed"], &["config", "show"], &["environment", "show", "--json"]]
        {
            let outcome = folder.run([command, &["-v", "--database-url", url]].concat());
            assert!(!outcome.err.contains("canary") && !outcome.out.contains("canary"), "{url} {outcome:#?}");
        }
    }
}

#[test]
fn a_url_in_the_wrong_place_is_not_repeated() {
    let folder = Folder::new();
    for url in URLS {
        for arguments in
            [&["migrate", "status", url][..], &[url], &["completions", url], &["seed", &format!("--database={url}")]]
        {
            let outcome = folder.run(arguments).expect(2);
            assert!(!outcome.err.contains("canary"), "{outcome:#?}");
        }
    }
}

#[test]
fn a_scheme_that_is_none_is_bad_usage() {
    for command in [&["migrate", "status"][..], &["seed"]] {
        Folder::new().run([command, &["--database-url", "mysql://me:canary@host/db"]].concat()).expect(2);
    }
}

#[test]
fn the_old_services_key_is_masked() {
    let outcome = Folder::new()
        .run_with("ENCRYPTION_KEY", "canary-canary-canary-canary-canary", ["config", "show", "--json"])
        .expect(0);
    assert!(!outcome.out.contains("canary"), "{outcome:?}");
}

#[test]
fn no_value_reaches_the_most_talkative_log() {
    let folder = Folder::migrated();
    folder.write("seed.json", r#"{"users": [{"email": "canary@example.com", "name": "canary"}]}"#);

    let outcome = folder.run_with("RUST_LOG", "trace", ["seed", "--file", "seed.json"]).expect(0);

    assert!(outcome.err.contains("opening a unit"), "the log contains traces: {}", outcome.err);
    assert!(!outcome.err.contains("canary"), "{}", outcome.err);
}
