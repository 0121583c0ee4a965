#![doc = include_str!("../README.md")]

mod adopt;
mod checksum;
mod connection;
mod deploy;
mod error;
mod guard;
mod history;
mod journal;
mod leftovers;
mod lock;
mod mark;
mod migrations;
mod operator;
mod record;
mod resolve;
mod roles;
mod runner;
mod seaorm;
mod squash;
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
mod m20261124_000015_create_logins;
mod sqlite_rebuild;

pub use adopt::{AdoptOptions, Adoption, Catalog, Column, Difference, Table};
pub use deploy::{Migrations, Options, Progress};
pub use checksum::checksum;
pub use error::{Error, Refusal, Result};
pub use history::{MigrationState, MigrationStatus};
pub use mark::{Environment, Mark, State};
pub use migrations::{MIGRATIONS, Migration};
pub use resolve::Resolution;
pub use roles::{CheckStatus, Login, Password, Provision, Provisioned, RoleCheck, SECRET_COLUMNS, Sees};
pub use runner::Blocker;
pub use seaorm::{Migrator, connect};
pub use squash::squash;
pub use step::{Engine, Step};
