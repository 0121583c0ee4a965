//! Closing billing periods, and removing the events that uses were counted by.

mod close_usage;
mod remove_usage_events;

pub use close_usage::{ClosedUsage, close_usage, reset_usage};
pub use remove_usage_events::remove_usage_events;
