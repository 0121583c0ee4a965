//! The example as a process, called over HTTP; each behaviour once per engine.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::duplicate_mod, reason = "each behaviour is mounted once per engine")]

mod browser;
mod client;
mod postgres;
mod process;
mod sqlite;
