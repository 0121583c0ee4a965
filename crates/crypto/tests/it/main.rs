//! Tests of the public API.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod blind_index;
mod column;
mod key_file;
mod nothing_leaks;
mod wycheproof;
