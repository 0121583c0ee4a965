//! Reads that are transactions of their own, in units that have none.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use rylie_connection::{Alone, CallSite, Transaction, UnitOptions, begin, read_alone, reads_alone};

use super::rows::decoded;
use crate::error::Result;
use crate::fence::Tx;
use crate::soft_deleted::SoftDeleted;

/// How a unit was opened that has a transaction only once a read needs one.
pub(crate) struct Autocommit {
    options: UnitOptions,
    opened_at: CallSite,
    statements: AtomicU64,
}

impl Autocommit {
    pub(crate) fn new(options: UnitOptions, opened_at: CallSite) -> Self {
        Self { options, opened_at, statements: AtomicU64::default() }
    }

    /// How many were sent by themselves.
    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

/// A read under way.
type Reading<F> = Pin<Box<F>>;

impl Tx {
    pub(super) async fn begin_late(&self, autocommit: &Autocommit) -> Result<Transaction> {
        Ok(begin(&self.surroundings.pool, &self.fence.door(), autocommit.options, autocommit.opened_at).await?)
    }

    /// The rows with these keys that are not soft-deleted and within this unit's reach; `None` if it takes a transaction to
    /// read them. Boxed, so that it adds nothing to units that have one.
    pub(super) fn alone_among<E: SoftDeleted>(
        &self,
        ids: &[impl ToString],
    ) -> Option<Reading<impl Future<Output = Result<Vec<E::Model>>> + Send>> {
        let autocommit = self.autocommit.as_ref().filter(|_| !self.transaction.initialized())?;
        let pool = &self.surroundings.pool;
        let statement = match reads_alone(pool, autocommit.options)? {
            Alone::Plainly => self.among_keys::<E>(ids),
            Alone::ThroughFunction => self.through_function::<E>(ids),
        };
        Some(Box::pin(async move {
            autocommit.statements.fetch_add(1, Ordering::Relaxed);
            decoded::<E>(&read_alone(pool, E::TABLE, &statement, autocommit.opened_at).await?)
        }))
    }
}
