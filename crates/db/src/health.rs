//! The health of the database connection.

use std::time::Duration;

use rylie_repositories::ReplicaStatus;
use serde::Serialize;

/// The PostgreSQL versions that every test runs on.
pub(crate) const TESTED: &str = "PostgreSQL 15 to 18";

/// The health that [`Database::health`](crate::Database::health) returns.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Health {
    /// `postgres` or `sqlite`.
    pub engine: &'static str,
    /// The versions that every test runs on, such as `PostgreSQL 15 to 18`.
    pub tested: &'static str,
    /// Time of one round trip.
    pub round_trip: Duration,
    /// Migrations that are not applied, or that differ from this version's.
    pub pending_migrations: Vec<String>,
    /// Whether row-level security applies to this service's units; never on SQLite, which has none.
    pub row_level_security: bool,
    /// Why row-level security applies to the service's login only after it assumes a database role: it owns the tables,
    /// is a superuser, or is exempt. `None` where it always applies, and on SQLite. `rylie roles provision` creates a
    /// login that it applies to.
    pub exempt_login: Option<String>,
    /// Open connections of the pool.
    pub connections: u32,
    /// Idle connections of the pool.
    pub idle_connections: usize,
    /// State of the replicas; empty if none is configured.
    pub replicas: Vec<ReplicaStatus>,
}

impl Health {
    /// Returns whether the schema is complete, so that a service may accept calls.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pending_migrations.is_empty()
    }
}
