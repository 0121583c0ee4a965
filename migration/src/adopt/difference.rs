//! Differences between a live schema and the expected one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An object that differs from the base.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// The object, for example `column User.email`.
    pub object: String,
    /// Its definition in the base.
    pub expected: String,
    /// Its current definition.
    pub found: String,
    /// Whether it prevents the adoption.
    pub blocking: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.object, self.expected, self.found)
    }
}
