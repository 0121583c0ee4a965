//! Closing billing periods, and removing counted usage events.

mod close_usage;
mod remove_usage_events;

pub use close_usage::{ClosedUsage, close_usage, reset_usage};
pub use remove_usage_events::remove_usage_events;
