//! Runs examples as tests.

use std::path::Path;
use std::process::Command;

/// Runs an example. Cargo builds the examples of a package before its tests.
pub(crate) fn run(name: &str) {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let done = Command::new(folder.join("examples").join(name)).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    assert!(!done.stdout.is_empty(), "{name} prints what it did");
}

/// Makes a test of each example.
macro_rules! examples {
    ($($name:ident),+) => {
        $(#[test]
        fn $name() {
            runs::run(stringify!($name));
        })+
    };
}
