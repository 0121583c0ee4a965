//! What is not as it should be.

use std::fmt;

use serde::Serialize;

/// Something that is not as in the base.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// What it is about: `column User.email`.
    pub object: String,
    /// How the base has it.
    pub expected: String,
    /// How it is.
    pub found: String,
    /// Whether it keeps the database from being adopted.
    pub blocking: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.object, self.expected, self.found)
    }
}
