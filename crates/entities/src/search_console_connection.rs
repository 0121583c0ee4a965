//! A user's connection to Google Search Console.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{SealedColumn, TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`SearchConsoleConnection`].
    SearchConsoleConnectionId
}

/// A user's connection to Google Search Console.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "SearchConsoleConnection", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SearchConsoleConnectionId,
    /// Whose it is; one row a user.
    pub user_id: UserId,
    /// Opens Google's API; a secret.
    pub access_token: SealedColumn,
    /// Gets a new access token; a secret.
    pub refresh_token: Option<SealedColumn>,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// The site that is read.
    #[sea_orm(column_type = "Text", nullable)]
    pub site_url: Option<String>,
    /// Its name.
    #[sea_orm(column_type = "Text", nullable)]
    pub site_name: Option<String>,
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

pub use Model as SearchConsoleConnection;
