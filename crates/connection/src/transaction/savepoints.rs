//! Which savepoints of a transaction are open.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The savepoints of a transaction that are open, and which of them is to be undone.
#[derive(Default)]
pub(super) struct Savepoints(Mutex<State>);

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
