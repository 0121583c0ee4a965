//! Behaviour of every engine. Each engine mounts this folder once, and its `world()` creates a database there.

mod alerts;
mod api_keys;
mod attacks;
mod audit;
mod audit_attacks;
mod audit_seals;
mod audit_structure;
mod audit_tamperings;
mod audit_values;
mod autocommit;
mod bulk;
mod decoding;
mod identity;
mod isolation;
mod keyring_changes;
mod keyset;
mod loader;
mod observability;
mod overviews;
mod platform;
mod reencryption;
mod requests;
mod retention;
mod savepoints;
mod scheduler;
mod secrets;
mod seeding;
mod sizes;
mod tenant_files;
mod tenants;
mod units;
mod usage;
mod users;

use super::world;
