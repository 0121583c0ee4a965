//! Closing billing periods, and removing the events that uses were counted by.

mod close_usage;

pub use close_usage::{ClosedUsage, close_usage, reset_usage};
