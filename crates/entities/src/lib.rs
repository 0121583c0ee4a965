#![doc = include_str!("../README.md")]

pub mod account;
pub mod agency;
pub mod audit_log;
pub mod ga4_connection;
pub mod idempotency_key;
pub mod monthly_usage;
pub mod request;
pub mod search_console_connection;
pub mod seoworks_task_mapping;
pub mod session;
pub mod system_settings;
pub mod task;
pub mod usage_event;
pub mod user;
pub mod user_preferences;
pub mod verification_token;

mod derived_id;
mod details;
mod enums;
mod env;
#[cfg(feature = "mock")]
mod for_tests;
#[doc(hidden)]
pub mod id;
mod request_kind;
mod row_id;
mod secret_columns;
mod table;
mod tables;
mod tenant;
mod tenant_tables;
mod timestamp;

pub use details::Details;
pub use enums::{PackageType, RequestPriority, RequestStatus, TaskStatus, TaskType, UnknownLabel, UserRole};
pub use env::{Env, SystemEnv};
pub use id::{InvalidId, MAX_ID_BYTES};
pub use request_kind::RequestKind;
pub use row_id::RowId;
#[doc(hidden)]
pub use rylie_derive::TenantOwned;
pub use secret_columns::{IndexColumn, SealedColumn, Token};
pub use table::{
    Decoded, Keyed, KeysetKey, KeysetRow, KeysetTable, OwnColumns, OwnTable, Readable, RepositoryTable, SoftDelete,
    SoftDeleted, TypedColumn, beyond, nullable,
};
#[doc(hidden)]
pub use table::{Labels, NoLabels};
pub use tables::{EntityColumn, EntityReference, EntityTable, table, tables};
pub use tenant::{TenantId, TenantOwned};
// For the derive.
#[doc(hidden)]
pub use sea_orm::sea_query::{Expr, Order};
#[doc(hidden)]
pub use sea_orm::{ColumnTrait, Condition, DbErr, QueryResult};
pub use tenant_tables::{TENANT_TABLES, TenantTable};
pub use timestamp::Timestamp;

pub use account::{Account, AccountId};
pub use agency::{Agency, AgencyId};
pub use audit_log::{AuditLog, AuditLogId};
pub use ga4_connection::{Ga4Connection, Ga4ConnectionId};
pub use idempotency_key::{IdempotencyKey, IdempotencyKeyId};
pub use monthly_usage::{MonthlyUsage, MonthlyUsageId};
pub use request::{Request, RequestId};
pub use search_console_connection::{SearchConsoleConnection, SearchConsoleConnectionId};
pub use seoworks_task_mapping::{SeoWorksTaskMapping, SeoWorksTaskMappingId};
pub use session::{Session, SessionId};
pub use system_settings::{SystemSettings, SystemSettingsId};
pub use task::{Task, TaskId};
pub use usage_event::{UsageEvent, UsageEventId};
pub use user::{User, UserId};
pub use user_preferences::{UserPreferences, UserPreferencesId};
pub use verification_token::VerificationToken;
