//! The origin of settings, and `rylie config`

use serde_json::Value;

use crate::support::Folder;

fn setting(json: &Value, name: &str) -> (String, String) {
    let setting = json["settings"].as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap();
    let text = |field: &str| setting[field].as_str().unwrap().to_owned();
    (text("value"), text("origin"))
}

#[test]
fn flags_go_over_the_environment_over_the_file_over_defaults() {
    let folder = Folder::new();
    let show = ["config", "show", "--json"];
    let url = |json: &Value| setting(json, "database_url");
    let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());

    assert_eq!(url(&folder.run(show).expect(0).json()), pair("sqlite://rylie.db?mode=rwc", "default"));
    folder.write("rylie.toml", "database_url = 'sqlite://file.db'\n");
    assert_eq!(url(&folder.run(show).expect(0).json()), pair("sqlite://file.db", "file"));
    let environment = folder.run_with("DATABASE_URL", "sqlite://environment.db", show).expect(0).json();
    assert_eq!(url(&environment), pair("sqlite://environment.db", "environment"));
    let flag = ["config", "show", "--json", "--database-url", "sqlite://flag.db"];
    assert_eq!(
        url(&folder.run_with("DATABASE_URL", "sqlite://environment.db", flag).expect(0).json()),
        pair("sqlite://flag.db", "flag")
    );
}

#[test]
fn another_file_may_be_named() {
    let folder = Folder::new();
    folder.write("rylie.toml", "max_connections = 3\n");
    folder.write("other.toml", "max_connections = 4\n");
    let json = folder.run(["--config", "other.toml", "config", "show", "--json"]).expect(0).json();
    assert_eq!(setting(&json, "max_connections").0, "4");
}

#[test]
fn files_are_named_from_the_folder_of_the_file_of_settings_on() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("etc")).unwrap();
    folder.write("etc/rylie.toml", "keyring = 'ring.json'\naudit_key = 'audit.key'\n");

    folder.run(["--config", "etc/rylie.toml", "keys", "generate"]).expect(0);
    folder.run(["--config", "etc/rylie.toml", "audit", "keygen"]).expect(0);
    assert!(folder.path("etc/ring.json").exists() && folder.path("etc/audit.key").exists());

    // Paths of flags and of the environment are relative to the working directory.
    folder.run_with("RYLIE_KEYRING", "ring.json", ["--config", "etc/rylie.toml", "keys", "generate"]).expect(0);
    folder.run(["--config", "etc/rylie.toml", "audit", "keygen", "--out", "audit.key"]).expect(0);
    assert!(folder.path("ring.json").exists() && folder.path("audit.key").exists());
}

#[test]
fn a_bad_setting_is_bad_usage() {
    let folder = Folder::new();
    folder.write("rylie.toml", "max_connections = 'canary'\n");
    for command in [&["config", "show"][..], &["migrate", "status"], &["seed"], &["keys", "list"]] {
        let outcome = folder.run(command).expect(2);
        outcome.says("max_connections");
        assert!(!outcome.err.contains("canary"), "{outcome:?}");
    }
    folder.run(["config", "show", "--config", "nowhere.toml"]).expect(2).says("nowhere.toml");
}

#[test]
fn flags_stand_before_or_after_the_command() {
    let folder = Folder::new();
    folder.run(["--database-url", "sqlite://one.db?mode=rwc", "--json", "migrate", "deploy"]).expect(0).json();
    folder.run(["migrate", "--json", "status", "--database-url", "sqlite://one.db"]).expect(0).json();
}

#[test]
fn an_unknown_variable_of_ours_is_bad_usage() {
    let folder = Folder::new();
    for variable in ["RYLIE_MAX_CONECTIONS", "RYLIE_SECRETS_WRITE", "RYLIE_DATABASE_URL"] {
        folder.run_with(variable, "3", ["config", "show"]).expect(2).says(variable);
    }
    folder.run_with("RYLIE_TEST_DATABASE_URL", "3", ["config", "show"]).expect(0);
    folder.run_with("RYLIE_AUDIT_PUBLIC_KEY", "3", ["config", "show"]).expect(0);
}

#[test]
fn a_malformed_file_is_reported_by_its_line() {
    let folder = Folder::new();
    folder.write("rylie.toml", "max_connections = 3\nfingerprint = canary\n");
    let outcome = folder.run(["config", "show"]).expect(2);
    outcome.says("rylie.toml: line 2, column 15: ");
    assert!(!outcome.err.contains("canary"), "{outcome:?}");
}

#[test]
fn a_schedule_that_is_never_due_is_bad_usage() {
    let folder = Folder::migrated();
    for (cron, says) in [("0 30 3 * * *", "five fields"), ("0 0 30 2 *", "never due")] {
        folder.write("rylie.toml", &format!("[schedule.sessions]\ncron = '{cron}'\n"));
        folder.run(["maintain", "status"]).expect(2).says(says);
    }
}

#[cfg(unix)]
#[test]
fn a_new_sqlite_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::migrated();
    let mode = std::fs::metadata(folder.path("rylie.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
}
