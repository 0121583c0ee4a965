//! A request for SEO work.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, QuerySelect, QueryTrait};
use serde::Serialize;

use crate::{AgencyId, PackageType, RequestPriority, RequestStatus, TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`Request`].
    RequestId
}

/// A request for SEO work.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "Request", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RequestId,
    /// Who ordered it.
    pub user_id: UserId,
    /// The agency it was ordered for; `None` for a user of no agency.
    pub agency_id: Option<AgencyId>,
    /// One line.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// What is wanted.
    #[sea_orm(column_type = "Text")]
    pub description: String,
    /// The kind of work, such as `page`.
    #[sea_orm(column_name = "type", column_type = "Text")]
    pub kind: String,
    /// How urgent it is.
    pub priority: RequestPriority,
    /// How far it is.
    pub status: RequestStatus,
    /// The package it is charged to.
    pub package_type: Option<PackageType>,
    /// Pages delivered.
    pub pages_completed: i32,
    /// Blog posts delivered.
    pub blogs_completed: i32,
    /// Business-profile posts delivered.
    pub gbp_posts_completed: i32,
    /// Improvements delivered.
    pub improvements_completed: i32,
    /// List of search terms.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub keywords: Option<Json>,
    /// The page to work on.
    #[sea_orm(column_type = "Text", nullable)]
    pub target_url: Option<String>,
    /// List of places.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub target_cities: Option<Json>,
    /// List of product models.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub target_models: Option<Json>,
    /// List of what was delivered.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub completed_tasks: Option<Json>,
    /// Where the result is.
    #[sea_orm(column_type = "Text", nullable)]
    pub content_url: Option<String>,
    /// Title of the result.
    #[sea_orm(column_type = "Text", nullable)]
    pub page_title: Option<String>,
    /// When it became `COMPLETED`.
    pub completed_at: Option<Timestamp>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the application last wrote the row.
    pub updated_at: Timestamp,
    /// Its id at SEOWorks.
    #[sea_orm(column_type = "Text", nullable)]
    pub seoworks_task_id: Option<String>,
    /// Whose row it is; the database derives it (see ARCHITECTURE.md, "The tenant key").
    pub tenant_id: TenantId,
    /// Soft-deleted: lists leave it out until it is restored or purged.
    pub deleted: bool,
    /// When it was soft-deleted.
    pub deleted_at: Option<Timestamp>,
    /// The row that `user_id` names.
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: HasOne<super::user::Entity>,
    /// The row that `agency_id` names.
    #[sea_orm(belongs_to, from = "agency_id", to = "id")]
    pub agency: HasOne<super::agency::Entity>,
    /// The rows that name this one.
    #[sea_orm(has_many)]
    pub tasks: HasMany<super::task::Entity>,
    /// The rows that name this one.
    #[sea_orm(has_many)]
    pub mappings: HasMany<super::seoworks_task_mapping::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;

    fn owned_by(user: &UserId) -> Condition {
        Condition::all().add(Column::UserId.eq(user))
    }
}

pub use Model as Request;

/// The ids of a user's own requests, as a sub-query.
pub(crate) fn ids_of(user: &UserId) -> sea_orm::sea_query::SelectStatement {
    Entity::find().select_only().column(Column::Id).filter(Column::UserId.eq(user)).into_query()
}
