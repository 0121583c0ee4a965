//! A log of the answers that the callers of a unit got, and its consequences for the committed rows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct Log(Mutex<State>);

#[derive(Default)]
struct State {
    clock: u32,
    writes: Vec<Write>,
    parts: Vec<Seen>,
    failed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Done,
    Failed,
    Dropped,
}

#[derive(Debug)]
struct Write {
    value: u32,
    ended: u32,
    within: Vec<usize>,
    outcome: Outcome,
}

/// A part, by the times at which its caller acted.
#[derive(Clone, Copy, Debug)]
struct Seen {
    began: u32,
    opened: u32,
    /// Before the caller ends it.
    ending: Option<u32>,
    kept: bool,
    /// After the caller undid it.
    undone: Option<u32>,
}

/// A part of a caller. A part that is dropped before it was kept is undone.
pub(crate) struct Part {
    pub(crate) number: usize,
    log: Arc<Log>,
}

impl Log {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next time, which is also a new value.
    pub(crate) fn tick(&self) -> u32 {
        let mut state = self.state();
        state.clock += 1;
        state.clock
    }

    /// Something failed or was given up.
    pub(crate) fn failed(&self) {
        self.state().failed = true;
    }

    pub(crate) fn wrote(&self, value: u32, within: &[usize], outcome: Outcome) {
        let ended = self.tick();
        let mut state = self.state();
        state.failed |= outcome != Outcome::Done;
        state.writes.push(Write { value, ended, within: within.to_vec(), outcome });
    }

    pub(crate) fn has_failure(&self) -> bool {
        self.state().failed
    }

    pub(crate) fn check(&self, committed: &[u32]) {
        let state = self.state();
        for value in committed {
            let write = state.writes.iter().find(|write| write.value == *value);
            // A caller that was dropped with its part did not log its last write.
            assert!(
                write.is_some_and(|write| write.outcome == Outcome::Done),
                "a write that was not acknowledged is committed: {write:?}"
            );
        }
        for write in state.writes.iter().filter(|write| write.outcome == Outcome::Done) {
            if !committed.contains(&write.value) {
                let undone = |part: &Seen| part.began < write.ended && !part.kept;
                assert!(state.parts.iter().any(undone), "a write is lost that nobody undid: {write:?}");
                continue;
            }
            for part in write.within.iter().map(|number| state.parts[*number]) {
                let Some(undone) = part.undone else { continue };
                // The end of an outer part ends the inner one.
                let outer = |outer: &Seen| {
                    let ended = outer.ending.or(outer.undone.and(Some(0)));
                    outer.began < part.opened && ended.is_some_and(|at| at < undone)
                };
                assert!(state.parts.iter().any(outer), "an undone write is committed: {write:?} in {part:?}");
            }
        }
    }
}

impl Part {
    pub(crate) fn opened(log: &Arc<Log>, began: u32) -> Self {
        let opened = log.tick();
        let mut state = log.state();
        state.parts.push(Seen { began, opened, ending: None, kept: false, undone: None });
        Self { number: state.parts.len() - 1, log: Arc::clone(log) }
    }

    fn seen(&self, change: impl FnOnce(&mut Seen, u32)) {
        let now = self.log.tick();
        change(&mut self.log.state().parts[self.number], now);
    }

    pub(crate) fn ending(&self) {
        self.seen(|part, now| part.ending = Some(now));
    }

    pub(crate) fn kept(&self) {
        self.seen(|part, _| part.kept = true);
    }

    pub(crate) fn undone(&self) {
        self.seen(|part, now| part.undone = Some(now));
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.seen(|part, now| {
            if part.ending.is_none() {
                part.undone = Some(now);
            }
        });
    }
}
