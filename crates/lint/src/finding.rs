//! What was found.

use std::fmt;

use serde::Serialize;

/// A statement that would harm, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The script's name: a path; of the project's own migrations the name and the step, `m…_add_soft_delete, step 1`.
    pub file: String,
    /// Counted from one.
    pub line: usize,
    /// In characters, counted from one.
    pub column: usize,
    /// The rule's name, as `-- rylie-lint: allow` takes it.
    pub rule: &'static str,
    /// What it harms.
    pub message: String,
    /// What to write instead.
    pub fix: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, rule, message, fix } = self;
        write!(f, "{file}:{line}:{column}: {rule}: {message}; instead: {fix}")
    }
}
