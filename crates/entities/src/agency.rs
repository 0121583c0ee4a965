//! An agency: the tenant that most rows belong to.

use sea_orm::Condition;
use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{TenantId, TenantOwned, Timestamp, UserId};

/// An agency: the tenant that most rows belong to.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "Agency", rename_all = "camelCase")]
pub struct Model {
    /// The key, made by the application.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AgencyId,
    /// Shown to its users.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// Its web domain, unique over all agencies.
    #[sea_orm(column_type = "Text", nullable)]
    pub domain: Option<String>,
    /// Free-form settings of the agency.
    #[sea_orm(column_type = "JsonBinary")]
    pub settings: Json,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the application last wrote the row.
    pub updated_at: Timestamp,
    /// Its own id: an agency is its own tenant.
    pub tenant_id: TenantId,
    /// The rows that name this one.
    #[sea_orm(has_many)]
    pub users: HasMany<super::user::Entity>,
    /// The rows that name this one.
    #[sea_orm(has_many)]
    pub requests: HasMany<super::request::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl TenantOwned for Entity {
    const TENANT: Column = Column::TenantId;

    fn owned_by(_: &UserId) -> Condition {
        // Its members share it; who may change it is the repository's to say.
        Condition::all()
    }
}

pub use crate::tenant::AgencyId;

pub use Model as Agency;
