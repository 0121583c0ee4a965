//! Which server it is.

use std::fmt;

/// Which server a unit works on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Server {
    /// The one that takes writes; on SQLite the only one there is.
    Primary,
    /// A streaming replica, by its place in the configuration, from 1.
    Replica(usize),
}

impl Server {
    /// What metrics and traces call it.
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
