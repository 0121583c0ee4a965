#![doc = include_str!("../README.md")]

mod close_usage;
mod error;
mod key_report;
mod reencrypt;
mod remove_expired;
mod seed;

pub use close_usage::close_usage;
pub use error::{Error, Result};
pub use key_report::{KeyReport, key_report};
pub use reencrypt::{Reencrypted, reencrypt};
pub use remove_expired::{RemovedExpired, remove_expired};
pub use seed::{Seed, SeedAgency, SeedUser, Seeded, seed};
