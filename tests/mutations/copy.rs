//! A copy of the workspace with a switch at every point.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Point;

/// Returns whether the environment names this number, which turns the point off.
const SWITCH: &str = r#"
pub(crate) fn mutated(number: usize) -> bool {
    std::env::var("RYLIE_TEST_MUTATION").is_ok_and(|named| named == number.to_string())
}
"#;

/// Creates the copy in cargo's target folder, new for each run.
pub(crate) fn with_switches(root: &Path, points: &[Point]) -> PathBuf {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutations");
    let _ = fs::remove_dir_all(&copy);
    for part in ["Cargo.toml", "Cargo.lock", "clippy.toml", "README.md", "crates", "examples", "migration", "tests"] {
        take(&root.join(part), &copy.join(part));
    }
    for file in points.iter().map(|point| &point.file).collect::<std::collections::BTreeSet<_>>() {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        for (number, point) in points.iter().enumerate().filter(|(_, point)| point.file == *file) {
            let switch = format!("crate::mutated({number})");
            lines[point.line] = point.switched.replace('$', &switch);
            lines.extend((!point.added.is_empty()).then(|| point.added.replace('$', &switch)));
        }
        fs::write(copy.join(file), lines.join("\n") + "\n").unwrap();
    }
    for of in ["crates/entities/src/lib.rs", "crates/tenancy/src/lib.rs", "crates/repositories/src/lib.rs"] {
        let text = fs::read_to_string(copy.join(of)).unwrap();
        fs::write(copy.join(of), text + SWITCH).unwrap();
    }
    copy
}

fn take(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            if name != "target" {
                take(&from.join(&name), &to.join(&name));
            }
        }
    } else if from.exists() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}
