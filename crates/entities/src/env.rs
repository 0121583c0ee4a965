//! Time and ids, injected once at the store, so that a test can move the clock and know the ids.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Where time and ids come from.
pub trait Env: Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;

    /// A fresh id, unique over all processes.
    fn new_id(&self) -> String;
}

/// The system's clock, and UUIDs of version 7 (RFC 9562), which grow with time, as ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnv;

impl Env for SystemEnv {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn new_id(&self) -> String {
        Uuid::now_v7().to_string()
    }
}
