//! Single statements in units without a transaction.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use rylie_connection::{
    CallSite, Pool, SingleStatement, Transaction, UnitMeter, UnitOptions, adds_by_single_statement, begin_deferred,
    meter, read_single_statement, reads_single_statement, saves_by_single_statement, write_single_statement,
};
use rylie_entities::Keyed;
use sea_orm::{QueryResult, Statement};

use super::rows::decoded;
use crate::error::{Error, Result};
use crate::filter::Tx;

/// The options of a unit that begins its transaction when a statement needs it.
pub(crate) struct BeginLater {
    options: UnitOptions,
    opened_at: CallSite,
    statements: AtomicU64,
    meter: UnitMeter,
}

impl BeginLater {
    pub(crate) fn new(pool: &Pool, tenant: &str, options: UnitOptions, opened_at: CallSite) -> Self {
        Self { options, opened_at, statements: AtomicU64::default(), meter: meter(pool, Some(tenant), opened_at) }
    }

    /// Returns how many single statements were sent.
    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

/// A pending read.
type Reading<F> = Pin<Box<F>>;

impl Tx {
    pub(super) async fn begin_late(&self, later: &BeginLater) -> Result<Transaction> {
        Ok(begin_deferred(&self.unit_context.pool, &self.kind.db_role(), later.options, later.opened_at).await?)
    }

    /// Returns the rows with these keys that are not soft-deleted and within this unit's reach, or `None` if reading
    /// them needs a transaction. Boxed, so that units with a transaction have no larger futures.
    pub(super) fn alone_among<E: Keyed>(
        &self,
        ids: &[impl ToString],
    ) -> Option<Reading<impl Future<Output = Result<Vec<E::Model>>> + Send>> {
        let later = self.later.as_ref().filter(|later| later.options.autocommit)?;
        if self.transaction.initialized() {
            return None;
        }
        let pool = &self.unit_context.pool;
        let statement = match reads_single_statement(pool, later.options)? {
            SingleStatement::Plainly => self.among_keys::<E>(ids),
            SingleStatement::ThroughFunction => self.through_function::<E>(E::BY_ID?, ids),
        };
        Some(Box::pin(async move {
            later.statements.fetch_add(1, Ordering::Relaxed);
            let (at, meter) = (later.opened_at, &later.meter);
            decoded::<E>(&read_single_statement(pool, E::TABLE, &statement, at, meter).await?)
        }))
    }

    /// Returns whether this unit can add a request through a function: it has not begun, and the function exists.
    pub(super) fn adds_alone(&self) -> bool {
        let later = self.later.as_ref().filter(|_| !self.transaction.initialized());
        later.is_some_and(|later| adds_by_single_statement(&self.unit_context.pool, later.options))
    }

    /// Returns whether this unit can save a connection to Google through a function: it has not begun, and the function
    /// exists.
    pub fn saves_alone(&self) -> bool {
        let later = self.later.as_ref().filter(|_| !self.transaction.initialized());
        later.is_some_and(|later| saves_by_single_statement(&self.unit_context.pool, later.options))
    }

    /// Runs one statement that writes to a table in its own transaction, and returns its rows.
    pub(super) async fn write_alone(&self, table: &'static str, statement: Statement) -> Result<Vec<QueryResult>> {
        let later = self.later.as_ref().ok_or(Error::Internal { what: "the unit", reason: "it has begun" })?;
        later.statements.fetch_add(1, Ordering::Relaxed);
        let (pool, at, meter) = (&self.unit_context.pool, later.opened_at, &later.meter);
        Ok(write_single_statement(pool, table, statement, at, meter).await?)
    }
}
