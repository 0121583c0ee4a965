//! The receiver of the progress of a unit's bulk calls.

use std::sync::PoisonError;

use crate::filter::Tx;
use crate::progress::Progress;

impl Tx {
    /// Sets the receiver of the progress of later bulk calls.
    pub fn report_to(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
