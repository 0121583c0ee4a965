//! What a user wants to be told, and in which language.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`UserPreferences`].
    UserPreferencesId
}

/// What a user wants to be told, and in which language.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "UserPreferences", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserPreferencesId,
    /// Whose they are; one row a user.
    pub user_id: UserId,
    /// Any mail at all.
    pub email_notifications: bool,
    /// Mail when a request is made.
    pub request_created: bool,
    /// Mail when a status changes.
    pub status_changed: bool,
    /// Mail when a task is done.
    pub task_completed: bool,
    /// Mail once a week.
    pub weekly_summary: bool,
    /// Mail about offers.
    pub marketing_emails: bool,
    /// IANA name of the time zone.
    #[sea_orm(column_type = "Text", nullable)]
    pub timezone: Option<String>,
    /// Language tag, such as `en`.
    #[sea_orm(column_type = "Text", nullable)]
    pub language: Option<String>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the application last wrote the row.
    pub updated_at: Timestamp,
    /// Whose row it is; the database derives it (see ARCHITECTURE.md, "The tenant key").
    pub tenant_id: TenantId,
    /// The row that `user_id` names.
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub user: HasOne<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;

    fn owned_by(user: &UserId) -> Condition {
        Condition::all().add(Column::UserId.eq(user))
    }
}

pub use Model as UserPreferences;
