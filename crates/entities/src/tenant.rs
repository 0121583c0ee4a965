//! The tenant key: whose row it is.

use sea_orm::{Condition, DeriveValueType, EntityTrait};
use serde::Serialize;

crate::id! {
    /// The key of [`Agency`](crate::Agency).
    AgencyId
}

crate::id! {
    /// The key of [`User`](crate::User).
    UserId
}

/// Whose row it is: an agency's id, `user:<id>` for a user of no agency, or `platform`.
///
/// There is no way to parse one from text: it follows from an agency or a user, or is read from a row.
#[derive(Clone, Debug, DeriveValueType, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[sea_orm(column_type = "Text")]
#[serde(transparent)]
pub struct TenantId(String);

impl TenantId {
    /// The tenant that an agency is.
    #[must_use]
    pub fn of_agency(agency: &AgencyId) -> Self {
        Self(agency.as_str().to_owned())
    }

    /// The tenant of a user: the agency, or the user alone.
    #[must_use]
    pub fn of_user(user: &UserId, agency: Option<&AgencyId>) -> Self {
        agency.map_or_else(|| Self(format!("user:{user}")), Self::of_agency)
    }

    /// The tenant of events that belong to no tenant.
    #[must_use]
    pub fn platform() -> Self {
        Self("platform".to_owned())
    }

    /// The text as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&TenantId> for sea_orm::Value {
    fn from(tenant: &TenantId) -> Self {
        tenant.0.as_str().into()
    }
}

/// A table whose every row belongs to a tenant.
pub trait TenantOwned: EntityTrait {
    /// The column that holds the tenant key.
    const TENANT: Self::Column;

    /// The rows that are a user's own, within the tenant.
    fn owned_by(user: &UserId) -> Condition;
}
