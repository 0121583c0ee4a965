//! Options of a unit.

use std::time::Duration;

use crate::log_position::LogPosition;

/// Whether a unit may write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

/// How a unit is opened. By default it may write and has the pool's time limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UnitOptions {
    /// Read-only: writes are refused, and every statement sees the same snapshot of the database. On SQLite such units
    /// do not wait for each other.
    pub read_only: bool,
    /// For a tenant's read-only unit: begin no transaction until a read needs one. See
    /// [`autocommit`](Self::autocommit()).
    pub autocommit: bool,
    /// For a tenant unit: begin with the first statement. See [`deferred`](Self::deferred()).
    pub deferred: bool,
    /// The time limit of each statement of the unit, instead of the pool's limit. A statement that takes longer fails
    /// with [`Error::Timeout`]. PostgreSQL only: SQLite has no such limit.
    ///
    /// [`Error::Timeout`]: crate::Error::Timeout
    pub statement_timeout: Option<Duration>,
    /// The longest pause inside the unit's transaction, instead of the pool's limit. The server then ends the session: a
    /// process that is stopped inside the unit holds its rows' locks no longer. PostgreSQL only.
    pub idle_timeout: Option<Duration>,
    /// The position that a read-only unit must see. Only a replica that has replayed it may serve the unit.
    pub after: Option<LogPosition>,
    /// The longest wait of a read-only unit for a replica; then the primary serves it. Zero: no wait.
    pub wait_for_replica: Duration,
    /// Never use a replica.
    pub on_primary: bool,
}

impl UnitOptions {
    /// Read-only. If replicas are configured, the unit may read somewhat older data from one: see
    /// [`after`](Self::after()) and [`on_primary`](Self::on_primary()).
    #[must_use]
    pub fn read_only() -> Self {
        Self { read_only: true, ..Self::default() }
    }

    /// For reads in a tenant unit that need no common snapshot: each row by id and each page of a list is its own
    /// transaction, if the read binds only ids, labels, numbers and times. Two reads may see different states. A read
    /// takes one round trip, where a unit's first read takes two, and the unit holds no connection between reads. Both
    /// isolation layers apply.
    ///
    /// Any other read begins the unit's transaction, which then serves all later reads, as in
    /// [`read_only`](Self::read_only()). On a replica every read does. On PostgreSQL a page travels with its values in
    /// its text, as in a [`deferred`](Self::deferred()) unit. So do rows by id behind a pooler, with a time limit of
    /// the unit, and without the migration `m20261126_000024`. The metrics count only the statements of a unit that
    /// never begins a transaction, not the unit.
    #[must_use]
    pub fn autocommit() -> Self {
        Self { autocommit: true, ..Self::read_only() }
    }

    /// Begins the transaction with the first statement. Opening the unit then waits for nothing, and fails only for wrong
    /// options. The first statement waits for a connection. Its error says that there is none, or that the server does
    /// not answer.
    ///
    /// On PostgreSQL a first statement that binds only ids, labels, numbers and times begins the transaction in its own
    /// round trip. It travels with these values in its text, which the server shows in `pg_stat_activity`. The
    /// connection prepares it once, unless a pooler is between: the server then keeps its plan where that is cheap. Any
    /// other first statement takes the round trip of the begin before its own. On SQLite only the begin itself is
    /// later.
    #[must_use]
    pub fn deferred(mut self) -> Self {
        self.deferred = true;
        self
    }

    /// Reads everything that was committed before this position, which a unit's `commit_with_position` returned. Has no
    /// effect on a unit that may write, because it sees everything.
    #[must_use]
    pub fn after(mut self, position: LogPosition) -> Self {
        self.after = Some(position);
        self
    }

    /// Waits up to this long for a replica that has caught up, before the primary serves the unit.
    #[must_use]
    pub fn wait_for_replica(mut self, limit: Duration) -> Self {
        self.wait_for_replica = limit;
        self
    }

    /// Reads the latest data, from the primary.
    #[must_use]
    pub fn on_primary(mut self) -> Self {
        self.on_primary = true;
        self
    }

    /// Sets another time limit for each statement.
    #[must_use]
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = Some(limit);
        self
    }

    pub(crate) fn may_use_replica(self) -> bool {
        self.read_only && !self.on_primary
    }

    pub(crate) fn access(self) -> Access {
        if self.read_only { Access::ReadOnly } else { Access::ReadWrite }
    }
}
