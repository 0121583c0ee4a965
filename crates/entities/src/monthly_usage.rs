//! What a user used in a closed month.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{PackageType, TenantId, TenantOwned, Timestamp, UserId};

crate::id! {
    /// The key of [`MonthlyUsage`].
    MonthlyUsageId
}

/// What a user used in a closed month.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "MonthlyUsage", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MonthlyUsageId,
    /// Whose it is.
    pub user_id: UserId,
    /// 1 to 12.
    pub month: i32,
    /// Such as 2026; unique with the user and the month.
    pub year: i32,
    /// The package of that month.
    pub package_type: PackageType,
    /// Pages used.
    pub pages_used: i32,
    /// Blog posts used.
    pub blogs_used: i32,
    /// Business-profile posts used.
    pub gbp_posts_used: i32,
    /// Improvements used.
    pub improvements_used: i32,
    /// When the month was closed.
    pub archived_at: Timestamp,
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

pub use Model as MonthlyUsage;
