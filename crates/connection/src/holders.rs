//! Records which units hold connections, so that the error of an exhausted pool can name them.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The source location where a unit was opened.
pub type CallSite = &'static Location<'static>;

/// A unit that holds a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder {
    /// The source location where the unit was opened.
    pub opened_at: &'static Location<'static>,
    /// How long the unit has held the connection.
    pub held: Duration,
}

impl Holder {
    /// Returns a list of holders as the end of a clause; empty without holders.
    #[must_use]
    pub fn in_words(longest: &[Self]) -> String {
        let held: Vec<_> = longest.iter().map(ToString::to_string).collect();
        if held.is_empty() { String::new() } else { format!(", the longest holders being {}", held.join(", ")) }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({:.1?})", self.opened_at.file(), self.opened_at.line(), self.held)
    }
}

/// The units that hold a connection, and the number of waiting callers.
#[derive(Clone, Default)]
pub(crate) struct Holders(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    held: Mutex<HolderEntry>,
}

#[derive(Default)]
struct HolderEntry {
    made: u64,
    since: BTreeMap<u64, (CallSite, Instant)>,
}

impl Holders {
    /// Counts a waiting caller until the value is dropped.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.0.waiting)
    }

    /// Records a held connection until the value is dropped.
    pub(crate) fn hold(&self, at: CallSite) -> HolderGuard {
        let mut held = self.held();
        held.made += 1;
        let number = held.made;
        held.since.insert(number, (at, Instant::now()));
        HolderGuard { number, of: Arc::clone(&self.0) }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held().since.is_empty()
    }

    /// Returns the holders, the longest first: they have the lowest numbers.
    pub(crate) fn longest(&self) -> Vec<Holder> {
        let held = self.held();
        held.since.values().map(|(at, since)| Holder { opened_at: at, held: since.elapsed() }).collect()
    }

    fn held(&self) -> MutexGuard<'_, HolderEntry> {
        self.0.held()
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, HolderEntry> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that waits for a connection.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is held.
pub(crate) struct HolderGuard {
    number: u64,
    of: Arc<Shared>,
}

impl Drop for HolderGuard {
    fn drop(&mut self) {
        self.of.held().since.remove(&self.number);
    }
}
