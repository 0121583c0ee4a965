//! Progress of bulk calls.

use std::fmt;
use std::sync::Arc;

/// Receives the progress of a bulk call. It runs between two statements, so it should be quick.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(u64, u64) + Send + Sync>>);

impl Progress {
    /// Creates a receiver that does nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Creates a receiver. `reported` gets the number of finished rows and of all rows: at the beginning, after each
    /// statement and at the end.
    pub fn new(reported: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reported)))
    }

    /// Returns whether there is a receiver, so that a total is worth counting.
    #[must_use]
    pub fn is_received(&self) -> bool {
        self.0.is_some()
    }

    /// Reports that `done` of `of` rows are finished.
    pub fn report(&self, done: u64, of: u64) {
        if let Some(reported) = &self.0 {
            reported(done, of);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress(..)")
    }
}
