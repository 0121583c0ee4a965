//! How a unit is opened.

use std::time::Duration;

use crate::log_position::LogPosition;

/// Whether a unit may write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

/// How a unit is opened. By default it may write, and has the pool's time limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UnitOptions {
    /// For reading only: writes are refused, and every statement sees the same state of the database. On SQLite such units do
    /// not wait for each other.
    pub read_only: bool,
    /// Of a tenant's read-only unit: no transaction before a read needs one. See [`autocommit`](Self::autocommit()).
    pub autocommit: bool,
    /// The longest that one statement of the unit may take, instead of the pool's limit; [`Error::Timeout`] for one
    /// that takes longer. On PostgreSQL only: SQLite has no such limit.
    ///
    /// [`Error::Timeout`]: crate::Error::Timeout
    pub statement_timeout: Option<Duration>,
    /// What a read-only unit must see; only a replica that has replayed it may serve the unit.
    pub after: Option<LogPosition>,
    /// How long a read-only unit waits, at the most, for a replica that may serve it; then the primary does. Zero: not at all.
    pub wait_for_replica: Duration,
    /// Never on a replica.
    pub on_primary: bool,
}

impl UnitOptions {
    /// For reading only. Where replicas are configured, the unit may read from one, and so what is somewhat older: see
    /// [`after`](Self::after()) and [`on_primary`](Self::on_primary()).
    #[must_use]
    pub fn read_only() -> Self {
        Self { read_only: true, ..Self::default() }
    }

    /// For reads that need not go together, at the tenant's door: a read of requests or tasks by their ids is a transaction of its
    /// own. It sees what was committed when it began, so two of them may see different states; it takes one
    /// round trip where a unit's first read takes two, and the unit holds no connection before and after. Both walls stand.
    ///
    /// Any other read begins the unit's transaction, which then serves all that follow, as in
    /// [`read_only`](Self::read_only()). So does every read where a replica serves the unit, behind a pooler, with a
    /// time limit of the unit's own, and where the pool was connected to a database without the migration `m20261126_000024`.
    /// A unit that never begins a transaction is not counted among the units of the metrics; its statements are.
    #[must_use]
    pub fn autocommit() -> Self {
        Self { autocommit: true, ..Self::read_only() }
    }

    /// Sees everything that was committed before this position, which
    /// `commit_with_position` of a unit gave. Means nothing to a unit that may write, as that sees
    /// everything.
    #[must_use]
    pub fn after(mut self, position: LogPosition) -> Self {
        self.after = Some(position);
        self
    }

    /// Waits so long, at the most, for a replica that has come far enough, before it goes to the primary.
    #[must_use]
    pub fn wait_for_replica(mut self, limit: Duration) -> Self {
        self.wait_for_replica = limit;
        self
    }

    /// Reads the newest, from the primary.
    #[must_use]
    pub fn on_primary(mut self) -> Self {
        self.on_primary = true;
        self
    }

    /// With another time limit for each statement.
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
