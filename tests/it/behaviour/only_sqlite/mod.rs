//! Behaviour of SQLite only.

mod audit_attacks;
mod audit_values;
mod times;

use super::world;
