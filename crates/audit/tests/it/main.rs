//! The formats, held by vectors that another implementation computed, and properties.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod properties;
mod vectors;
