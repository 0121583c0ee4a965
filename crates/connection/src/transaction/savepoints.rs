//! The open savepoints of a transaction.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The open savepoints of a transaction, and the one to undo.
#[derive(Default)]
pub(super) struct Savepoints(Mutex<State>);

#[derive(Default)]
struct State {
    /// Their numbers, the outermost first. Numbers are not reused, so a late drop cannot undo another savepoint.
    open: Vec<u64>,
    made: u64,
    undo: Option<u64>,
}

impl Savepoints {
    /// Returns a new number. The savepoint is open only once the database has it.
    pub(super) fn next(&self) -> u64 {
        let mut state = self.state();
        state.made += 1;
        state.made
    }

    pub(super) fn opened(&self, number: u64) {
        self.state().open.push(number);
    }

    /// Returns whether the savepoint is still open: the end of an outer one ends it too.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.state().open.contains(&number)
    }

    /// Removes the savepoint and those within it.
    pub(super) fn ended(&self, number: u64) {
        let mut state = self.state();
        state.open.retain(|open| *open < number);
        state.undo = state.undo.filter(|undo| *undo < number);
    }

    /// Schedules the rollback to the savepoint before the next statement.
    pub(super) fn undo(&self, number: u64) {
        let mut state = self.state();
        if state.open.contains(&number) {
            // Undoing the outer savepoint undoes the inner ones.
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
