//! How far a call on many rows is.

use std::fmt;
use std::sync::Arc;

/// Is told how far a call on many rows is. It runs between two statements, so it should be quick.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(u64, u64) + Send + Sync>>);

impl Progress {
    /// Nobody is told.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// `told` gets how many rows are done, and of how many: at the beginning, after each statement, at the end.
    pub fn new(told: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    /// Tells that `done` of `of` rows are done.
    pub fn tell(&self, done: u64, of: u64) {
        if let Some(told) = &self.0 {
            told(done, of);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress(..)")
    }
}
