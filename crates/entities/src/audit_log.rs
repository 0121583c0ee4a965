//! A record of the audit log: who did what. By value, so that it outlives its subjects.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{Details, TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`AuditLog`].
    AuditLogId
}

/// A record of the audit log: who did what. By value, so that it outlives its subjects.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "AuditLog", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditLogId,
    /// Who did it: a user's id, or `job:<name>`; by value, no foreign key.
    #[sea_orm(column_type = "Text")]
    pub user_id: String,
    /// What was done, such as `USER_ROLE_UPDATE`.
    #[sea_orm(column_type = "Text")]
    pub action: String,
    /// The kind of thing it was done to.
    #[sea_orm(column_type = "Text")]
    pub resource: String,
    /// Which one.
    #[sea_orm(column_type = "Text", nullable)]
    pub resource_id: Option<String>,
    /// What changed.
    #[sea_orm(column_type = "JsonBinary", nullable, select_as = "text")]
    pub details: Option<Details>,
    /// Where the call came from.
    #[sea_orm(column_type = "Text", nullable)]
    pub ip_address: Option<String>,
    /// The program that called.
    #[sea_orm(column_type = "Text", nullable)]
    pub user_agent: Option<String>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Whose record it is; `platform` for events of no tenant.
    pub tenant_id: TenantId,
    /// The number the database gave it: it grows, with gaps, and a later one may commit first. `None` for records from
    /// before there were positions.
    #[sea_orm(column_type = "BigInteger", nullable)]
    pub position: Option<i64>,
    /// The user in whose name it was done, where that is another than who did it.
    #[sea_orm(column_type = "Text", nullable)]
    pub on_behalf_of: Option<String>,
    /// Ties together the records of one call.
    #[sea_orm(column_type = "Text", nullable)]
    pub correlation_id: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;

    fn owned_by(user: &UserId) -> Condition {
        Condition::all().add(Column::UserId.eq(user))
    }
}

pub use Model as AuditLog;
