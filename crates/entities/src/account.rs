//! A user's account with an OAuth provider.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{SealedColumn, TenantId, TenantOwned, UserId};

crate::id! {
    /// The key of [`Account`].
    AccountId
}

/// A user's account with an OAuth provider.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "Account", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// Whose it is.
    pub user_id: UserId,
    /// `oauth`, `oidc` or `email`.
    #[sea_orm(column_name = "type", column_type = "Text")]
    pub kind: String,
    /// The provider's name, such as `google`.
    #[sea_orm(column_type = "Text")]
    pub provider: String,
    /// The account's id at the provider; unique with the provider.
    #[sea_orm(column_type = "Text")]
    pub provider_account_id: String,
    /// Gets a new access token; a secret.
    #[sea_orm(column_name = "refresh_token")]
    pub refresh_token: Option<SealedColumn>,
    /// Opens the provider's API; a secret.
    #[sea_orm(column_name = "access_token")]
    pub access_token: Option<SealedColumn>,
    /// When the access token ends, in seconds since 1970.
    #[sea_orm(column_name = "expires_at")]
    pub expires_at: Option<i32>,
    /// Such as `Bearer`.
    #[sea_orm(column_name = "token_type", column_type = "Text", nullable)]
    pub token_type: Option<String>,
    /// What the tokens allow, separated by spaces.
    #[sea_orm(column_type = "Text", nullable)]
    pub scope: Option<String>,
    /// The provider's signed statement of who signed in; a secret.
    #[sea_orm(column_name = "id_token")]
    pub id_token: Option<SealedColumn>,
    /// The provider's own session mark.
    #[sea_orm(column_name = "session_state", column_type = "Text", nullable)]
    pub session_state: Option<String>,
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

pub use Model as Account;
