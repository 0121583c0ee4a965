//! Single-statement reads in units without a transaction.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use rylie_connection::{
    CallSite, SingleStatement, Transaction, UnitOptions, begin_deferred, read_single_statement, reads_single_statement,
};

use rylie_entities::Keyed;

use super::rows::decoded;
use crate::error::Result;
use crate::filter::Tx;

/// The options of a unit that begins its transaction when a statement needs it.
pub(crate) struct BeginLater {
    options: UnitOptions,
    opened_at: CallSite,
    statements: AtomicU64,
}

impl BeginLater {
    pub(crate) fn new(options: UnitOptions, opened_at: CallSite) -> Self {
        Self { options, opened_at, statements: AtomicU64::default() }
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
            decoded::<E>(&read_single_statement(pool, E::TABLE, &statement, later.opened_at).await?)
        }))
    }
}
