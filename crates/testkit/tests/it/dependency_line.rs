//! Checks the dependency line of ARCHITECTURE.md, "Crates": a crate depends only on crates to its left.

use std::env;
use std::process::Command;

use serde_json::Value;

/// Each crate of the workspace with the workspace crates that it may use.
const MAY_USE: [(&str, &[&str]); 22] = [
    ("rylie-driver", &[]),
    ("rylie-crypto", &[]),
    ("rylie-derive", &[]),
    ("rylie-entities", &["rylie-crypto", "rylie-derive"]),
    ("rylie-audit", &["rylie-crypto", "rylie-entities"]),
    // Knows no tenant-owned table, and so no entity.
    ("rylie-connection", &["rylie-driver"]),
    ("rylie-tenancy", &["rylie-crypto", "rylie-entities", "rylie-audit", "rylie-connection"]),
    // Not the connection: a repository reaches rows through a unit.
    ("rylie-repositories", &["rylie-crypto", "rylie-entities", "rylie-audit", "rylie-tenancy"]),
    ("rylie-maintenance", &["rylie-driver", "rylie-crypto", "rylie-entities", "rylie-audit", "rylie-repositories"]),
    (
        "rylie-db",
        &[
            "rylie-crypto",
            "rylie-entities",
            "rylie-audit",
            "rylie-repositories",
            "rylie-maintenance",
            "rylie-migration",
            "rylie-lint",
        ],
    ),
    // Depends on the facade alone.
    ("rylie-cli", &["rylie-db"]),
    // Likewise; the testkit is for its tests.
    ("rylie-axum", &["rylie-db", "rylie-testkit"]),
    ("rylie-web-service", &["rylie-axum", "rylie-db", "rylie-testkit"]),
    // Stands alone: entities change, history does not.
    ("rylie-migration", &["rylie-driver"]),
    ("rylie-lint", &["rylie-migration"]),
    ("rylie-testkit", &["rylie-db"]),
    ("rylie-bench", &["rylie-db"]),
    ("rylie-examples", &["rylie-db", "rylie-testkit"]),
    ("rylie-examples-on-postgres", &["rylie-db", "rylie-testkit"]),
    ("rylie-examples-with-features", &["rylie-db"]),
    ("rylie-tests", &["rylie-db", "rylie-testkit"]),
    // Mounts the files under test.
    ("rylie-schedules", &[]),
];

/// Crates without SQL.
const KNOW_NO_SQL: [&str; 3] = ["rylie-crypto", "rylie-cli", "rylie-axum"];

#[test]
fn a_crate_uses_only_what_is_to_its_left() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("{name} is missing in the dependency line"));
            continue;
        };
        let ours = used_by(&package).filter(|used| used.starts_with("rylie-"));
        wrong.extend(ours.filter(|used| !may_use.contains(used)).map(|used| format!("{name} must not use {used}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crypto_and_the_command_line_know_no_sql() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        if KNOW_NO_SQL.contains(&name) {
            let sql = used_by(&package).find(|used| used.starts_with("sea-") || used.starts_with("sqlx"));
            assert_eq!(sql, None, "{name} must not use it");
        }
    }
}

#[test]
fn a_repository_has_no_driver() {
    for package in packages() {
        if package["name"] == "rylie-repositories" {
            let driver = used_by(&package).find(|used| used.starts_with("sqlx") || *used == "sea-query-sqlx");
            assert_eq!(driver, None, "a repository could bypass the unit");
        }
    }
}

#[test]
fn every_crate_of_the_line_is_there() {
    let packages = packages();
    for (name, _) in MAY_USE {
        assert!(packages.iter().any(|package| package["name"] == name), "{name} is gone");
    }
}

/// A service with its own tables needs no other crate of ours, and names none.
#[test]
fn a_service_depends_on_the_facade_alone() {
    for service in ["examples/own_entity", "tests/downstream"] {
        let read = check_names(service);
        assert!(read > 3, "{service} is gone");
    }
}

/// Checks which crates of ours the files of a service name, and returns the number of files.
fn check_names(service: &str) -> usize {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let (mut files, mut read) = (vec![root.join(service)], 0);
    while let Some(file) = files.pop() {
        if file.is_dir() {
            let inside = std::fs::read_dir(&file).unwrap().map(|entry| entry.unwrap().path());
            files.extend(inside.filter(|path| !path.ends_with("target")));
        } else if file.extension().is_some_and(|ending| ending == "rs" || ending == "toml") {
            let text = std::fs::read_to_string(&file).unwrap();
            let words = text.split(|letter: char| !(letter.is_alphanumeric() || "_-".contains(letter)));
            let ours = words.map(|word| word.replace('-', "_")).filter(|word| word.starts_with("rylie_"));
            let other: Vec<_> =
                ours.filter(|name| !["rylie_db", "rylie_testkit", "rylie_cli"].contains(&name.as_str())).collect();
            assert!(other.is_empty(), "{}: {other:?}", file.display());
            read += 1;
        }
    }
    read
}

/// Lists a package's dependencies, without those of its tests.
fn used_by(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| dependency["name"].as_str().unwrap())
}

pub(crate) fn packages() -> Vec<Value> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
