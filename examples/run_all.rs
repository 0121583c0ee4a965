//! Runs every small example.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod runs;

examples!(audit_trail, sealed_tokens, tenant_scope, unit_of_work, usage_close);
