//! The migrations. Each case gets the URL of an empty database, which is dropped afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy knows only functions marked as such"
)]

mod cases;
pub(crate) mod deploy;
mod drift;
mod entity_tables;
pub(crate) mod filling;
pub(crate) mod guards;
mod guide;
pub(crate) mod history;
pub(crate) mod kill;
mod plan;
pub(crate) mod roles;
pub(crate) mod schema;
pub(crate) mod tenant_key;
