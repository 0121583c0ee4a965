#![doc = include_str!("../README.md")]

mod adopt;
mod connection;
mod deploy;
mod drift;
mod error;
mod guard;
mod lock;
mod mark;
mod migrations;
mod record;
mod runner;
mod seaorm;
mod step;
mod walls;

mod m20261123_000001_create_base_tables;
mod m20261123_000002_create_rylie_database;
mod m20261123_000003_add_tenant_key;
mod m20261123_000004_add_soft_delete;
mod m20261123_000005_drop_audit_log_foreign_key;
mod m20261123_000006_replace_indexes;
mod m20261123_000007_create_door_roles;
mod m20261123_000008_enable_row_level_security;
mod m20261124_000010_add_api_key_index;
mod m20261124_000011_add_audit_columns;
mod m20261124_000012_create_audit_seals;
mod m20261124_000013_protect_audit_log;
mod m20261124_000014_grant_audit_seals;
mod m20261124_000017_create_usage_event;
mod m20261124_000018_index_what_is_purged;
mod m20261124_000019_create_job_runs;
mod m20261124_000020_create_sizes_and_alerts;
mod sqlite_rebuild;

pub use adopt::{AdoptOptions, Adoption, Catalog, Column, Difference, Table};
pub use deploy::{Migrations, Options, Progress};
pub use drift::{Deviation, Drift, Snapshot};
pub use error::{Error, Refusal, Result};
pub use mark::{Environment, Mark, State};
pub use migrations::{MIGRATIONS, Migration};
pub use record::{MigrationState, MigrationStatus};
pub use seaorm::{Migrator, connect};
pub use step::{Engine, Step};
