//! Which task at SEOWorks does the work of which request.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{RequestId, TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`SeoWorksTaskMapping`].
    SeoWorksTaskMappingId
}

/// Which task at SEOWorks does the work of which request.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "SEOWorksTaskMapping", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SeoWorksTaskMappingId,
    /// The request it serves.
    pub request_id: RequestId,
    /// The task's id at SEOWorks; unique.
    #[sea_orm(column_type = "Text")]
    pub seoworks_task_id: String,
    /// The kind of work, in SEOWorks' words.
    #[sea_orm(column_type = "Text")]
    pub task_type: String,
    /// How far it is, in SEOWorks' words.
    #[sea_orm(column_type = "Text")]
    pub status: String,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the application last wrote the row.
    pub updated_at: Timestamp,
    /// Whose row it is; the database derives it (see ARCHITECTURE.md, "The tenant key").
    pub tenant_id: TenantId,
    /// The row that `request_id` names.
    #[sea_orm(belongs_to, from = "request_id", to = "id")]
    pub request: HasOne<super::request::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;

    fn owned_by(user: &UserId) -> Condition {
        Condition::all().add(Column::RequestId.in_subquery(super::request::ids_of(user)))
    }
}

pub use Model as SeoWorksTaskMapping;
