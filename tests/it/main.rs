//! The integration tests: one binary, with each behaviour mounted once per engine.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::duplicate_mod, reason = "each behaviour is mounted once per engine")]

mod adoption;
mod doctor;
mod engine_maintenance;
mod faults;
mod isolation;
mod json;
mod machinery;
mod migration;
mod mocks;
mod own;
mod postgres;
mod postgres_behind_pooler;
mod postgres_without_policies;
mod replicas;
mod round_trips;
mod secret_columns;
mod sqlite;
mod support;
mod tenant_transfer;
