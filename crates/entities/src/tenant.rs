//! The tenant key, which identifies the tenant of a row.

use sea_orm::{Condition, DeriveValueType, EntityTrait, IntoActiveModel};
use serde::Serialize;

crate::id! {
    /// The key of [`Agency`](crate::Agency).
    AgencyId
}

crate::id! {
    /// The key of [`User`](crate::User).
    UserId
}

/// The tenant of a row: an agency's id, `user:<id>` for a user without an agency, or `platform`.
///
/// It cannot be parsed from text. It is derived from an agency or a user, or read from a row.
#[derive(Clone, Debug, DeriveValueType, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[sea_orm(column_type = "Text")]
#[serde(transparent)]
pub struct TenantId(String);

impl TenantId {
    /// Returns the tenant of an agency.
    #[must_use]
    pub fn of_agency(agency: &AgencyId) -> Self {
        Self(agency.as_str().to_owned())
    }

    /// Returns the tenant of a user: the agency, or the user without an agency.
    #[must_use]
    pub fn of_user(user: &UserId, agency: Option<&AgencyId>) -> Self {
        agency.map_or_else(|| Self(format!("user:{user}")), Self::of_agency)
    }

    /// Returns the tenant of events that belong to no tenant.
    #[must_use]
    pub fn platform() -> Self {
        Self("platform".to_owned())
    }

    /// Returns the tenant that a row of the audit log has.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the stored text.
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

/// A table in which every row belongs to a tenant.
pub trait TenantOwned:
    EntityTrait<Model: IntoActiveModel<<Self as EntityTrait>::ActiveModel> + Send + Sync, ActiveModel: Send>
{
    /// The column with the tenant key.
    const TENANT: Self::Column;

    /// Returns the condition for a user's own rows within the tenant.
    fn owned_by(user: &UserId) -> Condition;
}
