//! A signed-in browser or device.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{TenantId, TenantOwned, Timestamp, Token, UserId};

crate::id! {
    /// The key of [`Session`].
    SessionId
}

/// A signed-in browser or device.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "Session", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// What the browser holds; a secret, unique.
    pub session_token: Token,
    /// Whose it is.
    pub user_id: UserId,
    /// First instant at which it is no longer valid.
    pub expires: Timestamp,
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

pub use Model as Session;
