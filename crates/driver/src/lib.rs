#![doc = include_str!("../README.md")]

mod address;
mod blocker;
mod private_file;
mod quoting;
mod reason;
mod wait;
mod watch;

pub use address::{InvalidAddress, postgres_address};
pub use blocker::Blocker;
pub use private_file::create_private;
pub use quoting::{literal, quoted};
pub use reason::{Reason, code_of};
pub use wait::{OnWait, Wait};
pub use watch::{Lost, Watch};
