//! Functions with which `rylie-tenancy` begins units.
//!
//! Free functions instead of methods: code that has a [`Pool`] but does not depend on this crate cannot send
//! statements.

use sea_orm::{QueryResult, Statement};

use crate::error::Result;
use crate::holders::CallSite;
use crate::pool::{Auditing, DbRole, Pool, SingleStatement, WritingFunction};
use crate::replicas::Replicas;
use crate::retry::runs_again;
use crate::transaction::Transaction;
use crate::unit_costs::UnitMeter;
use crate::unit_options::UnitOptions;

/// Begins a transaction on the pool's server.
pub async fn begin(pool: &Pool, db_role: &DbRole<'_>, options: UnitOptions, at: CallSite) -> Result<Transaction> {
    pool.begin(db_role, options, at).await
}

/// Runs a write in a transaction of PostgreSQL, commits it, and begins the next one on its connection; one round trip.
///
/// The values of the write are texts, times and JSON, and stand in its text. The server shows them in
/// `pg_stat_activity`, and in its log after an error, so none may be a secret. Fails with [`Error::OutcomeUnknown`] if the
/// connection breaks.
///
/// [`Error::OutcomeUnknown`]: crate::Error::OutcomeUnknown
pub async fn begin_next(
    pool: &Pool,
    transaction: Transaction,
    write: &Statement,
    db_role: &DbRole<'_>,
    options: UnitOptions,
) -> Result<Transaction> {
    pool.begin_next(transaction, write, db_role, options).await
}

/// Returns a transaction that begins with its first statement; on SQLite it begins now. The connection is leased now.
///
/// A statement sent by [`Transaction::query_all_at_once`] begins it in the same round trip, any other in one more. A
/// connection that died while it was idle is replaced then.
pub async fn begin_deferred(
    pool: &Pool,
    db_role: &DbRole<'_>,
    options: UnitOptions,
    at: CallSite,
) -> Result<Transaction> {
    pool.begin_deferred(db_role, options, at).await
}

/// Begins a transaction on a replica. Returns `None` if no replica may serve it; the primary then does.
pub async fn begin_on_replica(
    replicas: &Replicas,
    db_role: &DbRole<'_>,
    options: UnitOptions,
    at: CallSite,
) -> Option<Transaction> {
    if !options.may_use_replica() || runs_again() {
        return None;
    }
    Box::pin(replicas.begin(db_role, options, at)).await
}

/// Returns how an autocommit unit reads without a transaction, or `None` if it cannot.
#[must_use]
pub fn reads_single_statement(pool: &Pool, options: UnitOptions) -> Option<SingleStatement> {
    pool.reads_single_statement(options)
}

/// Returns how a session's token is looked up without a transaction, or `None` if it cannot be.
#[must_use]
pub fn signs_in_by_single_statement(pool: &Pool, options: UnitOptions) -> Option<SingleStatement> {
    pool.signs_in_by_single_statement(options)
}

/// Returns whether a function can write without a transaction.
#[must_use]
pub fn writes_by_single_statement(pool: &Pool, function: WritingFunction, options: UnitOptions) -> bool {
    pool.writes_by_single_statement(function, options)
}

/// Returns whether a unit of [`DbRole::Session`] can begin.
#[must_use]
pub fn holds_sessions(pool: &Pool) -> bool {
    pool.holds_sessions()
}

/// Starts the count of an autocommit unit, of a tenant if it has one; see [`Pool::tenant_units`].
#[must_use]
pub fn meter(pool: &Pool, tenant: Option<&str>, at: CallSite) -> UnitMeter {
    pool.costs.meter(tenant, at)
}

/// Runs one read-only statement on a table in its own transaction. `meter` counts it.
pub async fn read_single_statement(
    pool: &Pool,
    table: &'static str,
    statement: &Statement,
    at: CallSite,
    meter: &UnitMeter,
) -> Result<Vec<QueryResult>> {
    pool.read_single_statement(table, statement, at, meter).await
}

/// Runs one read-only statement on a table in its own transaction, with the values in its text where the server must
/// first assume the role. Returns `None` if a value may not stand there: only plain words, numbers and times may.
/// `meter` counts it.
pub async fn read_in_text(
    pool: &Pool,
    (db_role, options): (&DbRole<'_>, UnitOptions),
    table: &'static str,
    statement: &Statement,
    at: CallSite,
    meter: &UnitMeter,
) -> Result<Option<Vec<QueryResult>>> {
    pool.read_in_text(db_role, options, table, statement, at, meter).await
}

/// Runs one statement that writes to a table in its own transaction, once. `meter` counts it.
///
/// Fails with [`Error::OutcomeUnknown`] if the connection breaks, or was broken already.
///
/// [`Error::OutcomeUnknown`]: crate::Error::OutcomeUnknown
pub async fn write_single_statement(
    pool: &Pool,
    table: &'static str,
    statement: Statement,
    at: CallSite,
    meter: &UnitMeter,
) -> Result<Vec<QueryResult>> {
    pool.write_single_statement(table, statement, at, meter).await
}

/// Returns how this login reads the audit log for verification.
pub async fn auditing(pool: &Pool) -> Result<Auditing> {
    pool.auditing().await
}
