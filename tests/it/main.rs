//! The integration tests: one binary, with each behaviour mounted once per engine.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::duplicate_mod, reason = "each behaviour is mounted once per engine")]

mod adoption;
mod attacks;
mod audit_crash;
mod cancellation;
mod care;
mod connections;
mod drift;
mod entity_tables;
mod faults;
mod guide;
mod loopback;
mod migration;
mod migrations;
mod mocks;
mod plan_of_migrations;
mod plans;
mod recorded;
mod replicas;
mod round_trips;
mod secret_columns;
mod secrets_in_coexistence;
mod secrets_support;
mod sqlite_locks;
mod sqlite_times;
mod tenant_transfer;
mod walls;

/// Mounts every behaviour on one engine. A behaviour calls `super::world()` for a new database.
macro_rules! behaviours_on {
    ($engine:ident, $world:path) => {
        #[path = "behaviour"]
        mod $engine {
            async fn world() -> rylie_testkit::World {
                $world().await.unwrap()
            }

            mod alerts;
            mod api_keys;
            mod attacks;
            mod audit;
            mod audit_attacks;
            mod audit_roles;
            mod audit_seals;
            mod audit_structure;
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
            mod rows;
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
        }
    };
}

behaviours_on!(sqlite, rylie_testkit::World::sqlite);
behaviours_on!(postgres, rylie_testkit::World::postgres);
behaviours_on!(postgres_behind_pooler, rylie_testkit::World::postgres_behind_pooler);

/// The tenant filter alone: row-level security is disabled.
#[path = "behaviour"]
mod postgres_without_policies {
    async fn world() -> rylie_testkit::World {
        crate::walls::world_without_policies().await.unwrap()
    }

    mod isolation;
}
