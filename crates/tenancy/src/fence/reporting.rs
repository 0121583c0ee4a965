//! What bulk calls of a unit report to.

use std::sync::PoisonError;

use crate::fence::Tx;
use crate::progress::Progress;

impl Tx {
    /// Bulk calls of this unit report to `progress` from now on.
    pub fn report_to(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
