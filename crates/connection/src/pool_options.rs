//! Options of a pool.

use std::time::Duration;

/// Sizes and time limits. The defaults suit a service on two to eight cores.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PoolOptions {
    /// The maximum number of connections; 10.
    pub max_connections: u32,
    /// The longest wait for a connection; 5 seconds.
    pub acquire_timeout: Duration,
    /// The longest statement on PostgreSQL; 30 seconds. Zero: no limit.
    pub statement_timeout: Duration,
    /// The longest wait for a lock on PostgreSQL, or for the file on SQLite; 5 seconds.
    pub lock_timeout: Duration,
    /// The longest pause inside a transaction on PostgreSQL; 60 seconds. Zero: no limit.
    pub idle_in_transaction_timeout: Duration,
    /// How long the server may stay silent beyond a statement's time limit, on PostgreSQL; 5 seconds. Then the
    /// connection counts as lost. A statement without a limit gets 10 minutes plus this time.
    pub network_timeout: Duration,
    /// Set this behind a transaction-mode pooler such as PgBouncer: no statement stays prepared, and no settings are
    /// sent at connection start. Each unit then sets the statement limit, unless the server has a lower one. The server
    /// or the pooler must set the limits of locks and pauses.
    pub behind_pooler: bool,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_mins(1),
            network_timeout: Duration::from_secs(5),
            behind_pooler: false,
        }
    }
}
