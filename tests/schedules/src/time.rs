//! The clock of the model. It advances when something sleeps.

use std::cell::Cell;
use std::ops::Add;

pub(crate) use std::time::Duration;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A time of the model.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(NOW.get())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        NOW.get().saturating_sub(self.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

pub(crate) fn advance(by: Duration) {
    NOW.set(NOW.get().saturating_add(by));
}

pub(crate) fn reset() {
    NOW.set(Duration::ZERO);
}
