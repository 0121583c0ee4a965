//! A service over the extractors, called without a socket; each behaviour once per engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::duplicate_mod, reason = "each behaviour is mounted once per engine")]

mod mocked;
mod postgres;
mod service;
mod serving;
mod sqlite;
