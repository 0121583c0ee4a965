//! Identifies the server of a unit.

use std::fmt;

/// The server on which a unit works.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Server {
    /// The server that accepts writes; on SQLite the only one.
    Primary,
    /// A streaming replica, by its index in the configuration, from 1.
    Replica(usize),
}

impl Server {
    /// Returns the label for metrics and traces.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica(_) => "replica",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("primary"),
            Self::Replica(number) => write!(f, "replica {number}"),
        }
    }
}
