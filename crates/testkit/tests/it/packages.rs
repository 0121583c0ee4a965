//! The packages that a service compiles with the facade's default features.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

/// The number when it was last set. It may grow by a tenth; above that, a new dependency is a decision.
const PACKAGES: usize = 236;

/// Clients of HTTP and mail, and libraries for cron, which a service switches on by a feature.
const NOT_BY_DEFAULT: [&str; 10] =
    ["age", "chrono-tz", "croner", "hyper", "lettre", "object_store", "reqwest", "squawk-syntax", "ureq", "utoipa"];

/// What the facade compiles, and what `cargo run --example quickstart` compiles in the workspace's folder.
const FACADE: &[&str] = &["--package", "rylie-db", "--edges", "normal,build"];
const QUICKSTART: &[&str] = &["--edges", "normal,build,dev"];

/// Returns name and version of each package that is compiled, build scripts included.
fn compiled(what: &[&str]) -> BTreeSet<String> {
    let mut tree = Command::new(env::var("CARGO").unwrap());
    tree.arg("tree").args(what).args(["--prefix", "none", "--locked", "--offline"]);
    let tree = tree.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_facade_compiles_no_more_packages_than_its_budget() {
    let compiled = compiled(FACADE);

    let most = PACKAGES + PACKAGES / 10;
    assert!(compiled.len() <= most, "{} packages instead of at most {most}: {compiled:#?}", compiled.len());
    assert!(compiled.len() > 50, "the list is not complete: {compiled:?}");
}

#[test]
fn the_quickstart_compiles_little_more_than_the_facade() {
    let (quickstart, facade) = (compiled(QUICKSTART), compiled(FACADE));

    let more: Vec<_> = quickstart.difference(&facade).collect();
    assert!(more.len() <= 5, "{} packages more: {more:#?}", more.len());
    assert!(quickstart.is_superset(&facade), "the list is not complete: {quickstart:?}");
}

#[test]
fn the_facade_and_the_quickstart_compile_no_client_and_no_cron_library() {
    for compiled in [compiled(FACADE), compiled(QUICKSTART)] {
        let name = |package: &&String| NOT_BY_DEFAULT.contains(&package.split(' ').next().unwrap_or_default());
        assert_eq!(compiled.iter().filter(name).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}
