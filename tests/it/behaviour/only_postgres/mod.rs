//! Behaviour of PostgreSQL only.

mod audit_attacks;
mod audit_exclusion;
mod audit_relations;
mod audit_roles;
mod audit_seals;
mod audit_values;
mod odd_times;
mod request_counts;
mod retention;
mod savepoints;
mod tenants;

use super::world;
