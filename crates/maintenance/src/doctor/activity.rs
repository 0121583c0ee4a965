//! Sessions, locks and transactions.

mod locks;
mod pool;
mod sessions;
mod transactions;

use super::check::{CheckSpec, Look, by_code};

pub use pool::pool_outcome;

pub(super) static CHECKS: [CheckSpec; 14] = [
    sessions::CONNECTIONS,
    sessions::CONNECTION_LIMITS,
    sessions::IDLE_SESSIONS,
    by_code("activity.pool", "Callers of this process wait for a connection of its pool.", Look::PostgresCode)
        .fix("end the unit at the named source line earlier; then raise max_connections", "none"),
    sessions::LONG_QUERIES,
    sessions::LONG_OPERATIONS,
    transactions::IDLE_IN_TRANSACTION,
    transactions::VACUUM_HELD,
    transactions::PREPARED,
    locks::BLOCKING,
    locks::LOCK_WAITS,
    locks::DEADLOCKS,
    sessions::CONTENTION,
    sessions::AUTOVACUUM,
];
