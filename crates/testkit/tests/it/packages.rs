//! The packages that a service compiles with the facade's default features.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

/// The number when it was last set. It may grow by a tenth; above that, a new dependency is a decision.
const PACKAGES: usize = 236;

/// Clients of HTTP and mail, and libraries for cron, which a service switches on by a feature.
const NOT_BY_DEFAULT: [&str; 10] =
    ["age", "chrono-tz", "croner", "hyper", "lettre", "object_store", "reqwest", "squawk-syntax", "ureq", "utoipa"];

/// Returns name and version of each package that the facade compiles, build scripts included.
fn compiled() -> BTreeSet<String> {
    let mut tree = Command::new(env::var("CARGO").unwrap());
    tree.args([
        "tree",
        "--package",
        "rylie-db",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--locked",
        "--offline",
    ]);
    let tree = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_facade_compiles_no_more_packages_than_its_budget() {
    let compiled = compiled();

    let most = PACKAGES + PACKAGES / 10;
    assert!(compiled.len() <= most, "{} packages instead of at most {most}: {compiled:#?}", compiled.len());
    assert!(compiled.len() > 50, "the list is not complete: {compiled:?}");
}

#[test]
fn the_facade_compiles_no_client_and_no_cron_library_by_default() {
    let compiled = compiled();

    let found =
        compiled.iter().filter(|package| NOT_BY_DEFAULT.contains(&package.split(' ').next().unwrap_or_default()));
    assert_eq!(found.collect::<Vec<_>>(), Vec::<&String>::new());
}
