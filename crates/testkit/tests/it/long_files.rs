//! Checks the rule of CONTRIBUTING.md on long files: one over 300 lines says in its head why it is.

use std::fs;
use std::path::PathBuf;

use crate::dependency_line::packages;
use crate::module_cycles::files;

const MOST_LINES: usize = 300;

#[test]
fn a_long_file_says_why() {
    let mut silent = Vec::new();
    let mut read = 0;
    for package in packages() {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        let sources = manifest.with_file_name("src");
        for file in if sources.is_dir() { files(&sources) } else { Vec::new() } {
            let text = fs::read_to_string(&file).unwrap();
            read += 1;
            if text.lines().count() > MOST_LINES && !says_why(&text) {
                silent.push(file.display().to_string());
            }
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
