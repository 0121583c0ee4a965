//! How a unit is opened.

use std::time::Duration;

use crate::pool::Access;

/// How a unit is opened. By default it may write, and has the pool's time limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UnitOptions {
    /// For reading only: writes are refused, and every statement sees the same state of the database. On SQLite such units do
    /// not wait for each other.
    pub read_only: bool,
    /// The longest that one statement of the unit may take, instead of the pool's limit; [`Error::Timeout`] for one
    /// that takes longer. On PostgreSQL only: SQLite has no such limit.
    ///
    /// [`Error::Timeout`]: crate::Error::Timeout
    pub statement_timeout: Option<Duration>,
}

impl UnitOptions {
    /// For reading only.
    #[must_use]
    pub fn read_only() -> Self {
        Self { read_only: true, ..Self::default() }
    }

    /// With another time limit for each statement.
    #[must_use]
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = Some(limit);
        self
    }

    pub(crate) fn access(self) -> Access {
        if self.read_only { Access::ReadOnly } else { Access::ReadWrite }
    }
}
