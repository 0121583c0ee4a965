//! Whether the database answers, and how the connection stands.

use std::time::Duration;

use rylie_repositories::ReplicaStatus;
use serde::Serialize;

/// The versions of PostgreSQL that every test was run on.
pub(crate) const TESTED: &str = "PostgreSQL 15 to 18";

/// How the database does, as [`Database::health`](crate::Database::health) found it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Health {
    /// `postgres` or `sqlite`.
    pub engine: &'static str,
    /// The versions that every test was run on, such as `PostgreSQL 15 to 18`.
    pub tested: &'static str,
    /// How long one statement took, there and back.
    pub round_trip: Duration,
    /// Names of migrations that are not applied, or not as this version has them.
    pub pending_migrations: Vec<String>,
    /// Whether row-level security binds this service's units; never on SQLite, which has none.
    pub row_level_security: bool,
    /// Why the service's login is not bound by row-level security unless it takes a door's role: it is the tables' owner, a
    /// superuser or exempt. `None` where it is bound, and on SQLite. `rylie roles provision` makes a better one.
    pub exempt_login: Option<String>,
    /// Open connections of the pool.
    pub connections: u32,
    /// Those of them that are idle.
    pub idle_connections: usize,
    /// How the replicas do; empty where none is configured.
    pub replicas: Vec<ReplicaStatus>,
}

impl Health {
    /// Whether the schema is complete, so that a service may take calls.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pending_migrations.is_empty()
    }
}
