//! A user account.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{AgencyId, IndexColumn, PackageType, SealedColumn, TenantId, TenantOwned, Timestamp, UserRole};

/// A user account.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "User", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Unique over all tenants.
    #[sea_orm(column_type = "Text")]
    pub email: String,
    /// When the address was confirmed.
    pub email_verified: Option<Timestamp>,
    /// Shown to others.
    #[sea_orm(column_type = "Text", nullable)]
    pub name: Option<String>,
    /// Address of a picture.
    #[sea_orm(column_type = "Text", nullable)]
    pub image: Option<String>,
    /// What the user may do.
    pub role: UserRole,
    /// `None` for a user who belongs to no agency.
    pub agency_id: Option<AgencyId>,
    /// Key for calls by program; a secret.
    pub api_key: Option<SealedColumn>,
    /// When the key was issued.
    pub api_key_created_at: Option<Timestamp>,
    /// Whether the first steps are done.
    pub onboarding_completed: bool,
    /// The package paid for; `None` when there is none.
    pub active_package_type: Option<PackageType>,
    /// First instant of the billing period under way.
    pub current_billing_period_start: Option<Timestamp>,
    /// First instant after the billing period under way.
    pub current_billing_period_end: Option<Timestamp>,
    /// Pages used in the billing period under way.
    pub pages_used_this_period: i32,
    /// Blog posts used in the billing period under way.
    pub blogs_used_this_period: i32,
    /// Business-profile posts used in the billing period under way.
    pub gbp_posts_used_this_period: i32,
    /// Improvements used in the billing period under way.
    pub improvements_used_this_period: i32,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the application last wrote the row.
    pub updated_at: Timestamp,
    /// Whose row it is; the database derives it (see ARCHITECTURE.md, "The tenant key").
    pub tenant_id: TenantId,
    /// The blind index of a sealed `api_key`, by which it is looked up; `None` while the key is stored in plain text.
    pub api_key_index: Option<IndexColumn>,
    /// The row that `agency_id` names.
    #[sea_orm(belongs_to, from = "agency_id", to = "id")]
    pub agency: HasOne<super::agency::Entity>,
    /// The rows that name this one.
    #[sea_orm(has_many)]
    pub requests: HasMany<super::request::Entity>,
    /// The rows that name this one.
    #[sea_orm(has_many)]
    pub sessions: HasMany<super::session::Entity>,
    /// The rows that name this one.
    #[sea_orm(has_many)]
    pub accounts: HasMany<super::account::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;

    fn owned_by(user: &UserId) -> Condition {
        Condition::all().add(Column::Id.eq(user))
    }
}

pub use crate::tenant::UserId;

pub use Model as User;
