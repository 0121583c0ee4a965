//! Reads and writes the fenced blocks of the document. A block's name follows `vectors:` after the three backticks.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Held while the document is read, changed and written: tests run concurrently.
static DOCUMENT: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/envelope-format.md")
}

/// Returns where the content of a block begins and ends.
fn bounds(document: &str, name: &str) -> (usize, usize) {
    let marker = format!(" vectors:{name}\n");
    let start = document.find(&marker).unwrap() + marker.len();
    let end = document[start..].find("```").unwrap();
    (start, start + end)
}

/// Returns the content of a block.
pub(super) fn block(name: &str) -> String {
    let _held = DOCUMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let document = fs::read_to_string(path()).unwrap();
    let (start, end) = bounds(&document, name);
    document[start..end].to_owned()
}

/// Checks that a block is what `compute` computes from it, or writes it.
pub(super) fn check(name: &str, compute: impl FnOnce(&str) -> String) {
    let computed = compute(&block(name));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let _held = DOCUMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut document = fs::read_to_string(path()).unwrap();
        let (start, end) = bounds(&document, name);
        document.replace_range(start..end, &computed);
        fs::write(path(), document).unwrap();
    }
    assert_eq!(block(name), computed, "the block {name} is out of date: run this test with UPDATE_SNAPSHOTS=1");
}

/// Returns the values of a block.
pub(super) fn read_json<T: DeserializeOwned>(name: &str) -> Vec<T> {
    serde_json::from_str(&block(name)).unwrap()
}

/// Checks each value of a block: `compute` sets its results.
pub(super) fn check_json<T: DeserializeOwned + Serialize>(name: &str, compute: impl FnMut(&mut T)) {
    let mut values: Vec<T> = read_json(name);
    assert!(!values.is_empty());
    values.iter_mut().for_each(compute);
    check(name, |_| lines(&values));
}

/// Returns a JSON array with one value a line.
pub(super) fn lines<T: Serialize>(values: &[T]) -> String {
    let lines: Vec<String> = values.iter().map(|value| serde_json::to_string(value).unwrap()).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}
