//! Savepoints: a part of a unit that can be undone without losing the unit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Transaction;
use crate::Result;

/// A part of a unit: what the unit does from here on is kept or undone together.
///
/// Dropped without [`keep`](Self::keep), as by `?` or by cancellation, it is undone before the unit's next
/// statement or its commit. Savepoints nest: the end of an outer one ends those within. It also mends: a unit in which
/// a statement failed goes on once a savepoint made before the failure is undone.
#[must_use = "a savepoint that is not kept is undone"]
#[derive(Default)]
pub struct Savepoint<'unit> {
    /// `None` in a mocked unit, and after the end.
    of: Option<(&'unit Transaction, u64)>,
}

impl<'unit> Savepoint<'unit> {
    pub(crate) async fn make(transaction: &'unit Transaction) -> Result<Self> {
        Ok(Self { of: Some((transaction, transaction.savepoint().await?)) })
    }

    /// Keeps what was done since; it becomes durable with the unit. One round trip.
    ///
    /// [`Error::UnitFailed`](crate::Error::UnitFailed) if a statement failed meanwhile: what was done is then undone.
    pub async fn keep(mut self) -> Result<()> {
        if let Some((transaction, number)) = self.of {
            transaction.release(number).await?;
            self.of = None;
        }
        Ok(())
    }

    /// Undoes what was done since. Dropping does the same, later.
    pub async fn undo(mut self) -> Result<()> {
        if let Some((transaction, number)) = self.of.take() {
            transaction.savepoints().undo(number);
            transaction.settle().await?;
        }
        Ok(())
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if let Some((transaction, number)) = self.of {
            transaction.savepoints().undo(number);
        }
    }
}

impl std::fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Savepoint").field(&self.of.map(|(_, number)| number)).finish()
    }
}

/// The savepoints of a transaction that are open, and which of them is to be undone.
#[derive(Default)]
pub(crate) struct Savepoints(Mutex<State>);

#[derive(Default)]
struct State {
    /// Their numbers, the outermost first. A number is used once, so that a late drop cannot undo another's.
    open: Vec<u64>,
    made: u64,
    undo: Option<u64>,
}

impl Savepoints {
    /// A number for a new one, which is open only once the database has it.
    pub(super) fn next(&self) -> u64 {
        let mut state = self.state();
        state.made += 1;
        state.made
    }

    pub(super) fn opened(&self, number: u64) {
        self.state().open.push(number);
    }

    /// Whether it is open still: the end of one around it ends it too.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.state().open.contains(&number)
    }

    /// It and those within it have ended.
    pub(super) fn ended(&self, number: u64) {
        let mut state = self.state();
        state.open.retain(|open| *open < number);
        state.undo = state.undo.filter(|undo| *undo < number);
    }

    /// Notes that it is to be undone, before anything else is done.
    pub(super) fn undo(&self, number: u64) {
        let mut state = self.state();
        if state.open.contains(&number) {
            // An outer one takes those within it along.
            state.undo = Some(state.undo.map_or(number, |undo| undo.min(number)));
        }
    }

    pub(super) fn to_undo(&self) -> Option<u64> {
        self.state().undo
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
