//! Runs every example on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../runs.rs"]
#[macro_use]
mod runs;

examples!(adopt_prisma, read_replica);
