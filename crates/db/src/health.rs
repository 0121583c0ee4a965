//! Whether the database answers, and how the connection stands.

use std::time::Duration;

use serde::Serialize;

/// How the database does, as [`Database::health`](crate::Database::health) found it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Health {
    /// `postgres` or `sqlite`.
    pub engine: &'static str,
    /// How long one statement took, there and back.
    pub round_trip: Duration,
    /// Names of migrations that are not applied.
    pub pending_migrations: Vec<String>,
    /// Whether row-level security binds this service's units; never on SQLite, which has none.
    pub row_level_security: bool,
    /// Open connections of the pool.
    pub connections: u32,
    /// Those of them that are idle.
    pub idle_connections: usize,
}

impl Health {
    /// Whether the schema is complete, so that a service may take calls.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pending_migrations.is_empty()
    }
}
