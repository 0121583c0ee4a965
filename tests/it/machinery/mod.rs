//! Machinery that finds defects: every call cancelled at every await, every statement recorded, random histories
//! against a model and a checker, faults of every kind at once.
//!
//! A random test prints its seed and takes it from `RYLIE_SEED`. The tests are short; variables make them long
//! (CONTRIBUTING.md).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests; clippy knows only functions marked as such")]

mod bank;
mod calls;
mod cancelled_everywhere;
mod coverage;
mod full_tablespace;
mod histories;
mod hostile_bytes;
mod loader_schedules;
mod model;
mod nemesis;
mod sqlite_crash;
mod statements;
