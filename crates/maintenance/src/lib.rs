#![doc = include_str!("../README.md")]

mod close_usage;
mod erase_tenant;
mod error;
mod export_tenant;
mod import_tenant;
mod purge_deleted;
mod remove_expired;
mod remove_usage_events;
mod seed;
mod sweep;
mod tenant;
mod tenant_file;

pub use close_usage::{ClosedUsage, close_usage, reset_usage};
pub use erase_tenant::erase_tenant;
pub use error::{Error, Result};
pub use export_tenant::export_tenant;
pub use import_tenant::{ImportedTenant, import_tenant};
pub use purge_deleted::{PurgedDeleted, purge_deleted};
pub use remove_expired::{RemovedExpired, remove_expired};
pub use remove_usage_events::remove_usage_events;
pub use seed::{Seed, SeedAgency, SeedUser, Seeded, seed};
pub use sweep::Sweep;
pub use tenant::tenant_named;
