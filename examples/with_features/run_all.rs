//! Runs every example with features.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../runs.rs"]
#[macro_use]
mod runs;

examples!(maintenance_in_a_service, mocked_service);
