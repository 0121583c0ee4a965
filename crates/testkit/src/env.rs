//! A clock that a test moves, and predictable ids.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use rylie_db::entities::Env;

/// A clock that moves only by [`forward`](Self::forward), and numbered ids.
///
/// The clock begins at 2026-01-15 12:00:00 UTC. Each id is unique within the value and sorts after the previous ones.
#[derive(Debug, Default)]
pub struct TestEnv {
    milliseconds: AtomicI64,
    ids: AtomicU64,
}

impl TestEnv {
    /// Moves the clock, backwards for a negative time.
    pub fn forward(&self, time: TimeDelta) {
        self.milliseconds.fetch_add(time.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Env for TestEnv {
    fn now(&self) -> DateTime<Utc> {
        const BEGINNING: i64 = 1_768_478_400_000;
        DateTime::from_timestamp_millis(BEGINNING + self.milliseconds.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn new_id(&self) -> String {
        format!("test-{:012}", self.ids.fetch_add(1, Ordering::SeqCst))
    }
}
