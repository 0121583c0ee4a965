//! Behaviour that only SQLite has.

mod audit_attacks;
mod audit_values;
mod times;

use super::world;
