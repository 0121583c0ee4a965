//! Tests of the throw-away databases, and of the workspace's structure.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too, which clippy cannot see")]

mod attacks;
mod cluster;
mod dependency_line;
mod long_files;
mod module_cycles;
mod own_entity;
mod packages;
mod proxy;
mod sqlite;
mod support;
