//! Time and ids, injected once at the store. A test can control the clock and the ids.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The source of time and ids.
pub trait Env: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> DateTime<Utc>;

    /// Returns a new id, unique across all processes.
    fn new_id(&self) -> String;
}

/// The system clock, and version 7 UUIDs (RFC 9562) as ids. They increase with time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnv;

impl Env for SystemEnv {
    #[expect(clippy::disallowed_methods, reason = "the only use of the system clock and ids")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the only use of the system clock and ids")]
    fn new_id(&self) -> String {
        Uuid::now_v7().to_string()
    }
}
