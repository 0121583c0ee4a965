//! The built command, run as its users run it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers fail a test by panicking, as the tests themselves do")]

mod adopt;
mod audit;
mod audit_export;
mod environment;
mod keys;
mod maintain;
mod migrate;
mod output;
mod postgres;
mod rotation;
mod secrets;
mod seed;
mod settings;
mod support;
mod tenant;
