//! A service's own tables, within the units of the platform.

mod load;
#[cfg(feature = "mock")]
mod mocks;
mod schema;
mod tables;
mod unit;

pub use load::load;
pub use schema::{OwnSchema, OwnTableInfo};
pub use tables::OwnTables;
pub use unit::OwnUnit;

#[cfg(feature = "mock")]
pub use mocks::OwnMocks;
