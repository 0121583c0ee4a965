//! An event that usage was counted by.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{TaskType, TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`UsageEvent`].
    UsageEventId
}

/// An event that usage was counted by, kept so that the same event delivered again is not counted again.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "UsageEvent", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UsageEventId,
    /// Whose use it was.
    pub user_id: UserId,
    /// The event's own key, as its sender gave it; unique with the user.
    #[sea_orm(column_type = "Text")]
    pub key: String,
    /// What was used.
    pub kind: TaskType,
    /// When it was counted.
    pub counted_at: Timestamp,
    /// Whose row it is: its user's (see ARCHITECTURE.md, "The tenant key").
    pub tenant_id: TenantId,
    /// The tenant that it was counted in, which stays when the user moves; unique with the key. `None` for a row from before
    /// this was kept.
    pub counted_in: Option<TenantId>,
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

pub use Model as UsageEvent;
