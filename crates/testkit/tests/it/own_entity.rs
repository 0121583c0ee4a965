//! The example of a service's own table stays short, and needs the facade alone.

use std::fs;
use std::path::Path;

/// The most lines of table, entity, repository and tests together, and the most files.
const LINES: usize = 150;
const FILES: usize = 4;

/// Adds each Rust file of a folder with its text.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_example_of_an_own_table_fits_on_a_few_pages() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/own_entity"), &mut found);

    let lines: usize = found.iter().map(|(_, text)| text.lines().count()).sum();
    let names: Vec<_> = found.iter().map(|(name, _)| name).collect();
    assert!(found.len() <= FILES && lines <= LINES, "{lines} lines in {names:?}");
    assert!(lines > 50, "the list is not complete: {names:?}");
}

#[test]
fn a_service_names_no_crate_but_the_facade_and_its_tools() {
    let mut found = Vec::new();
    for service in ["examples/own_entity", "tests/downstream"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(service), &mut found);
    }
    for (file, text) in &found {
        let paths = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !['_', ':'].contains(&letter));
        let crates = paths.filter_map(|path| path.split_once("::")).map(|(name, _)| name);
        let inner = crates.filter(|name| name.starts_with("rylie_"));
        let inner: Vec<_> = inner.filter(|name| !["rylie_db", "rylie_testkit", "rylie_cli"].contains(name)).collect();
        assert_eq!(inner, Vec::<&str>::new(), "{file}");
    }
}
