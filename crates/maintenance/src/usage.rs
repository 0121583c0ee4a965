//! Closing billing periods, and removing counted usage events.

mod close_usage;

pub use close_usage::{ClosedUsage, close_usage, reset_usage};
