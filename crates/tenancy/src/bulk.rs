//! Bulk calls: many rows in one call.

use std::collections::BTreeSet;
use std::fmt::Display;

use rylie_entities::Keyed;
use sea_orm::sea_query::SimpleExpr;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::filter::{Savepoint, Tx};
use crate::progress::Progress;
use crate::soft_deleted::among;

/// The result of a bulk call.
///
/// `asked` minus `changed` minus `not_found` rows already had the requested state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkOutcome {
    /// The number of distinct rows in the call.
    pub asked: u64,
    /// The number of rows added or changed.
    pub changed: u64,
    /// The number of rows that are missing or another tenant's; the caller cannot tell which.
    pub not_found: u64,
}

impl BulkOutcome {
    /// Fails with [`Error::NotFound`] if any row was not found. For callers that want all or nothing: return the error
    /// before the unit commits.
    pub fn all_found(self, entity: &'static str) -> Result<Self> {
        if self.not_found == 0 { Ok(self) } else { Err(Error::NotFound { entity }) }
    }
}

/// Rows per statement: few enough for a short statement, many enough to make the overhead small.
const ROWS_A_STATEMENT: usize = 5_000;

/// A running bulk call; an error undoes all of it.
pub struct Bulk<'tx, T> {
    waiting: std::vec::IntoIter<T>,
    savepoint: Savepoint<'tx>,
    progress: Progress,
    done: u64,
    outcome: BulkOutcome,
}

impl<'tx, T: Ord> Bulk<'tx, T> {
    /// Begins a call on each distinct row, in the order of the ids. Concurrent calls on the same rows then wait for
    /// each other instead of deadlocking.
    pub async fn on_each(tx: &'tx Tx, rows: impl IntoIterator<Item = T>) -> Result<Self> {
        let distinct = rows.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        Self::begin(tx, distinct).await
    }
}

impl<'tx, T> Bulk<'tx, T> {
    /// Begins a call on all rows, in their order.
    pub async fn begin(tx: &'tx Tx, rows: Vec<T>) -> Result<Self> {
        let progress = tx.progress();
        let outcome = BulkOutcome { asked: rows.len() as u64, ..Default::default() };
        progress.report(0, outcome.asked);
        let savepoint = tx.savepoint().await?;
        Ok(Self { waiting: rows.into_iter(), savepoint, progress, done: 0, outcome })
    }

    /// Returns the rows of the next statement.
    #[expect(clippy::should_implement_trait, reason = "the caller awaits between two calls")]
    pub fn next(&mut self) -> Option<Vec<T>> {
        let rows: Vec<_> = self.waiting.by_ref().take(ROWS_A_STATEMENT).collect();
        (!rows.is_empty()).then_some(rows)
    }

    /// Records the result of a statement: of `asked` rows, `found` exist and `changed` were changed.
    pub fn done(&mut self, asked: usize, found: u64, changed: u64) {
        let asked = asked as u64;
        self.done += asked;
        self.outcome.changed += changed;
        self.outcome.not_found += asked.saturating_sub(found);
        self.progress.report(self.done, self.outcome.asked);
    }

    /// Keeps the changes.
    pub async fn finish(self) -> Result<BulkOutcome> {
        self.savepoint.keep().await?;
        Ok(self.outcome)
    }
}

/// The change of a bulk call to each row.
pub struct Change<E: Keyed> {
    /// Columns with their new values.
    pub set: E::ActiveModel,
    /// Columns with expressions.
    pub expressions: Vec<(E::Column, SimpleExpr)>,
    /// The condition that a row does not have the new values yet.
    pub changing: SimpleExpr,
}

/// Changes the given rows that are not deleted. Two statements per 5,000 rows; one if all are changed.
pub async fn change_many<E: Keyed>(
    tx: &Tx,
    ids: &[impl Ord + Display + Sync],
    change: Change<E>,
) -> Result<BulkOutcome> {
    let mut bulk = Bulk::on_each(tx, ids).await?;
    while let Some(ids) = bulk.next() {
        let asked = ids.len();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let Change { set, expressions, changing } = &change;
        let changed = tx.update_among::<E>(&ids, set.clone(), expressions.clone(), changing.clone()).await?;
        let all = changed == asked as u64;
        let found = if all { changed } else { tx.rows::<E>().filter(among::<E>(tx, &ids, false)).count().await? };
        bulk.done(asked, found, changed);
    }
    bulk.finish().await
}
