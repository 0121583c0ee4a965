#![doc = include_str!("../README.md")]

mod backup;
mod config;
mod database;
mod doctor;
mod error;
mod health;
mod jobs;
mod keys;
mod migrations;
mod new_migration;
pub mod own;
mod pitr;
mod schema;

pub use backup::{Drill, Drilled, Restore, RestoreTenant, Restored, RestoredTenant, Retained};
pub use config::{Config, ConfigBuilder, Setting, SettingOrigin};
pub use database::Database;
pub use error::{Error, Result};
pub use health::Health;
pub use new_migration::{NewMigration, Unwritten};
pub use pitr::{PitrDrill, PitrSource, RestoreTenantAt};

pub use rylie_audit as audit;
pub use rylie_crypto as crypto;
pub use rylie_entities as entities;
#[cfg(feature = "lint")]
pub use rylie_lint as lint;
pub use rylie_maintenance as maintenance;
pub use rylie_migration as migration;
pub use rylie_repositories as repositories;

/// The usual imports of a service: `use rylie_db::prelude::*;`.
pub mod prelude {
    pub use rylie_audit::{Action, Actor, Event, Origin};
    pub use rylie_crypto::Secret;
    pub use rylie_entities::{
        Agency, AgencyId, Env, PackageType, Request, RequestId, RequestKind, RequestPriority, RequestStatus, SystemEnv,
        Task, TaskId, TaskStatus, TaskType, TenantId, Token, User, UserId, UserRole,
    };
    pub use rylie_repositories::{
        BulkOutcome, Credential, Cursor, Grant, IdentityUnit, KeysetPage, KeysetRequest, Loader, LogPosition,
        NewAgency, NewGa4Connection, NewRequest, NewSearchConsoleConnection, NewTask, NewUser, Page, PageItem,
        PageRequest, Patch, PlatformUnit, Progress, RequestChanges, RequestFilter, RequestWithTasks, Retry,
        SignedInUser, Store, StoreExt, TaskFilter, TenantAccess, TenantScope, TenantUnit, UnitOptions, UserChanges,
        UserFilter, retry, stream_of,
    };

    pub use crate::{Config, Database, Error, Result};
}
