//! What a layer above begins its units with.
//!
//! Functions and no methods: whoever has a [`Pool`] and not this crate cannot send anything through it.

use sea_orm::{QueryResult, Statement};

use crate::error::Result;
use crate::holders::CallSite;
use crate::pool::{Alone, AuditingRole, Door, Pool};
use crate::replicas::Replicas;
use crate::retry::runs_again;
use crate::transaction::Transaction;
use crate::unit_options::UnitOptions;

/// Begins a transaction on the pool's server.
pub async fn begin(pool: &Pool, door: &Door<'_>, options: UnitOptions, at: CallSite) -> Result<Transaction> {
    pool.begin(door, options, at).await
}

/// Begins a transaction on a replica; `None` if none may serve it: the primary does.
pub async fn begin_on_replica(
    replicas: &Replicas,
    door: &Door<'_>,
    options: UnitOptions,
    at: CallSite,
) -> Option<Transaction> {
    if !options.may_use_replica() || runs_again() {
        return None;
    }
    Box::pin(replicas.begin(door, options, at)).await
}

/// How a unit in autocommit reads without a transaction; `None` if it cannot.
#[must_use]
pub fn reads_alone(pool: &Pool, options: UnitOptions) -> Option<Alone> {
    pool.reads_alone(options)
}

/// Runs one statement that only reads a table, in a transaction of its own.
pub async fn read_alone(
    pool: &Pool,
    table: &'static str,
    statement: &Statement,
    at: CallSite,
) -> Result<Vec<QueryResult>> {
    pool.read_alone(table, statement, at).await
}

/// As whom this login reads the audit log to verify it.
pub async fn auditing_role(pool: &Pool) -> Result<AuditingRole> {
    pool.auditing_role().await
}
