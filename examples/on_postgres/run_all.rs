//! Runs every example on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

/// Cargo builds the examples of a package before its tests.
fn run(name: &str) {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let done = Command::new(folder.join("examples").join(name)).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    assert!(!done.stdout.is_empty(), "{name} prints what it did");
}

macro_rules! examples {
    ($($name:ident),+) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })+
    };
}

examples!(adopt_prisma, read_replica);
