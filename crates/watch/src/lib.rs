#![doc = include_str!("../README.md")]

mod blocker;
mod wait;
mod watch;

pub use blocker::Blocker;
pub use wait::{OnWait, Wait};
pub use watch::{Lost, Watch};
