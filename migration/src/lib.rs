#![doc = include_str!("../README.md")]

mod adopt;
mod commas;
mod connection;
mod deploy;
mod drift;
mod error;
mod guard;
mod history;
mod marker;
mod migrations;
mod new_table;
mod operator;
mod options;
mod own;
mod owners;
mod roles;
mod seaorm;
mod session;
mod step;
mod table_change;

pub use adopt::{
    AdoptOptions, Adoption, Catalog, Column, Difference, Forecast, Preflight, PreflightFinding, Table, UndoLosses,
};
pub use deploy::coexistence::{LoginRights, coexistence_index_names};
pub use drift::{Deviation, Drift, Snapshot};
pub use error::{Error, Refusal, Result};
pub use guard::{guard_destructive, guard_fingerprint};
pub use history::checksum::checksum;
pub use history::equivalents::steps_sent;
pub use history::resolve::Resolution;
pub use history::squash::{squash, squash_with};
pub use history::{MigrationState, MigrationStatus};
pub use marker::{Environment, Mark, State};
pub use migrations::{MIGRATIONS, Migration};
pub use new_table::{ColumnKind, NewTable};
pub use options::{DeployProgress, Options};
pub use own::{AlterTable, CreateTable, own_catalog, own_index_names, own_problem, own_table};
pub use owners::Stranger;
pub use roles::{CheckStatus, Login, Password, Provision, Provisioned, RoleCheck, SECRET_COLUMNS, Sees};
pub use rylie_driver::{Blocker, InvalidAddress, OnWait, Wait};
pub use seaorm::{Migrator, connect};
pub use session::Migrations;
pub use step::{Engine, Step};
pub use table_change::TableChange;
