//! One piece of work within a request.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{RequestId, RequestPriority, TaskStatus, TaskType, TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`Task`].
    TaskId
}

/// One piece of work within a request.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "Task", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TaskId,
    /// Who ordered it.
    pub user_id: UserId,
    /// The request it belongs to.
    pub request_id: RequestId,
    /// One line.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// What is wanted.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// The kind of work.
    #[sea_orm(column_name = "type")]
    pub kind: TaskType,
    /// How far it is.
    pub status: TaskStatus,
    /// How urgent it is.
    pub priority: RequestPriority,
    /// The page to work on.
    #[sea_orm(column_type = "Text", nullable)]
    pub target_url: Option<String>,
    /// The place.
    #[sea_orm(column_type = "Text", nullable)]
    pub target_city: Option<String>,
    /// The product model.
    #[sea_orm(column_type = "Text", nullable)]
    pub target_model: Option<String>,
    /// List of search terms.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub keywords: Option<Json>,
    /// Where the result is.
    #[sea_orm(column_type = "Text", nullable)]
    pub completed_url: Option<String>,
    /// Title of the result.
    #[sea_orm(column_type = "Text", nullable)]
    pub completed_title: Option<String>,
    /// The writer's remarks.
    #[sea_orm(column_type = "Text", nullable)]
    pub completed_notes: Option<String>,
    /// When it should be done.
    pub due_date: Option<Timestamp>,
    /// When it became `IN_PROGRESS`.
    pub started_at: Option<Timestamp>,
    /// When it became `COMPLETED`.
    pub completed_at: Option<Timestamp>,
    /// Free-form remarks by programs.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub metadata: Option<Json>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the application last wrote the row.
    pub updated_at: Timestamp,
    /// Whose row it is; the database derives it (see ARCHITECTURE.md, "The tenant key").
    pub tenant_id: TenantId,
    /// Soft-deleted: lists leave it out until it is restored or purged.
    pub deleted: bool,
    /// When it was soft-deleted.
    pub deleted_at: Option<Timestamp>,
    /// The row that `user_id` names.
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: HasOne<super::user::Entity>,
    /// The row that `request_id` names.
    #[sea_orm(belongs_to, from = "request_id", to = "id")]
    pub request: HasOne<super::request::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;

    fn owned_by(user: &UserId) -> Condition {
        Condition::all().add(Column::UserId.eq(user))
    }
}

pub use Model as Task;
