//! The formats: vectors computed by another implementation, and properties.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod document;
mod features;
mod files;
mod properties;
mod vectors;
