//! The formats: vectors computed by another implementation, and properties.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod document;
mod features;
mod files;
mod hostile;
mod properties;
mod second_reader;
mod vectors;
mod witnesses;
