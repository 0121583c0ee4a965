//! A service's own tables, with the isolation, the audit log and the operations of the platform's.
//!
//! `use rylie_db::own::*;` brings everything that an entity, its migration and its repository need, SeaORM included.
//! [`Schema`] registers them. The handbook's chapter "Your own tables" shows a complete example; its code is
//! `examples/own_entity`.

pub use async_trait::async_trait;
pub use rylie_audit::{Action, Event};
pub use rylie_crypto::Secret;
pub use rylie_entities::{
    Agency, AgencyId, Env, OwnTable, Readable, Request, RequestId, RowId, SealedColumn, Task, TaskId, TenantId,
    TenantOwned, Timestamp, User, UserId, agency, id, request, task, user,
};
pub use rylie_migration::{AlterTable, ColumnKind, CreateTable, Engine, Migration, NewTable, Step, TableChange};
pub use rylie_repositories::{
    BulkOutcome, Error, KeysetPage, KeysetRequest, Loader, OwnTables, Page, PageItem, PageRequest, PlatformUnit,
    Result, RowStream, StoreExt, Table, TenantUnit, repositories,
};
#[cfg(feature = "mock")]
pub use rylie_repositories::{MockPlatformUnit, MockTenantUnit, OwnMocks};
pub use sea_orm;
pub use sea_orm::entity::prelude::*;
pub use sea_orm::sea_query::Order;
pub use sea_orm::{ActiveValue, Condition, FromJsonQueryResult, NotSet, Set};
pub use serde_json::json;
// Private, so that the prelude's is not exported: its `to_string` would make that of `ToString` ambiguous.
#[expect(unused_imports, hidden_glob_reexports, reason = "it hides the prelude's")]
use sea_orm::Iden;

pub use crate::schema::Schema;

/// The paths that `#[derive(TenantOwned)]` writes.
#[doc(hidden)]
pub mod derived {
    pub use rylie_entities::{
        ColumnTrait, Condition, DbErr, Decoded, Expr, Keyed, KeysetKey, KeysetRow, KeysetTable, Labels, NoLabels,
        Order, OwnColumns, OwnTable, QueryResult, Readable, RepositoryTable, SoftDelete, SoftDeleted, TenantId,
        TenantOwned, TypedColumn, UserId, beyond, nullable,
    };
    pub use rylie_repositories::{Loaded, Reading, TenantUnit, load};
}
