//! A finding of the linter.

use std::fmt;

use serde::Serialize;

/// A statement that breaks a rule, and its replacement.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The script's name: a path or, for the project's migrations, name and step: `m…_add_soft_delete, step 1`.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
    /// The column in characters, counted from one.
    pub column: usize,
    /// The rule's name, as `-- rylie-lint: allow` accepts it.
    pub rule: &'static str,
    /// The harm.
    pub message: String,
    /// The replacement.
    pub fix: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, rule, message, fix } = self;
        write!(f, "{file}:{line}:{column}: {rule}: {message}; instead: {fix}")
    }
}
