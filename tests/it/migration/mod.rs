//! The migrations. Each case gets the URL of an empty database, which is dropped afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; clippy knows only functions marked as such"
)]

pub(crate) mod adopt;
pub(crate) mod deploy;
pub(crate) mod filling;
pub(crate) mod guards;
pub(crate) mod history;
pub(crate) mod kill;
pub(crate) mod made;
pub(crate) mod reversal;
pub(crate) mod roles;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod tenant_key;
