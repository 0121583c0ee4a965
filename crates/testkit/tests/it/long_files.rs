//! Checks the rule of CONTRIBUTING.md on long files: one over 300 lines says in its head why it is.

use std::fs;

use crate::module_cycles::{files, source_folders};

const MOST_LINES: usize = 300;

#[test]
fn a_long_file_says_why() {
    let mut silent = Vec::new();
    let mut read = 0;
    for file in source_folders().iter().flat_map(|(_, sources)| files(sources)) {
        let text = fs::read_to_string(&file).unwrap();
        read += 1;
        if text.lines().count() > MOST_LINES && !says_why(&text) {
            silent.push(file.display().to_string());
        }
    }
    assert!(read > 500, "only {read} files were found");
    assert!(silent.is_empty(), "over {MOST_LINES} lines, without a reason in the head:\n{}", silent.join("\n"));
}

#[test]
fn a_reason_stands_in_the_head_only() {
    assert!(says_why("//! Users.\n//!\n//! This file is long because of x.\n\nfn f() {}"));
    assert!(!says_why("//! Users.\n\n// This file is long because of x.\nfn f() {}"));
    assert!(!says_why("//! Users.\n\nmod a {\n//! This file is long because of x.\n}"));
}

fn says_why(text: &str) -> bool {
    text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("This file is long because"))
}
