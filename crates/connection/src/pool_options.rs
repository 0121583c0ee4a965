//! How a pool behaves.

use std::time::Duration;

/// Sizes and time limits. The defaults suit a service on two to eight cores.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PoolOptions {
    /// The most connections at once; 10.
    pub max_connections: u32,
    /// The longest wait for a connection; 5 seconds.
    pub acquire_timeout: Duration,
    /// The longest statement, on PostgreSQL; 30 seconds. Zero: no limit.
    pub statement_timeout: Duration,
    /// The longest wait for a lock, on PostgreSQL, or for the file, on SQLite; 5 seconds.
    pub lock_timeout: Duration,
    /// The longest pause inside a transaction, on PostgreSQL; 60 seconds. Zero: no limit.
    pub idle_in_transaction_timeout: Duration,
    /// How long the server may be silent beyond a statement's time limit, on PostgreSQL; 5 seconds. Then the connection is
    /// taken for lost. Where there is no limit for the statement, it is waited for 10 minutes and this.
    pub network_timeout: Duration,
    /// Set this behind a transaction-mode pooler such as PgBouncer: no statement stays prepared, and no settings are
    /// sent at connection start. The limit of statements is then said in each unit, unless the server has a lower one; those
    /// of locks and of pauses are the server's or the pooler's to set.
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
