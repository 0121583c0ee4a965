#![doc = include_str!("../README.md")]

mod close_usage;
mod erase_audit;
mod error;
mod remove_expired;
mod retain_audit;
mod seal_audit;
mod seed;
mod verify_audit;

pub use close_usage::close_usage;
pub use erase_audit::erase_from_audit;
pub use error::{Error, Result};
pub use remove_expired::{RemovedExpired, remove_expired};
pub use retain_audit::{RetainedAudit, retain_audit};
pub use seal_audit::{SealedAudit, seal_audit};
pub use seed::{Seed, SeedAgency, SeedUser, Seeded, seed};
pub use verify_audit::{Verification, verify_audit};
