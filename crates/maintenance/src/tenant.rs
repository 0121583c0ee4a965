//! Tenants by name.

mod erase_tenant;
mod export_tenant;
mod import_tenant;
mod replace_tenant;
mod tenant_file;

use std::str::FromStr;

use rylie_entities::{AgencyId, TenantId, UserId};

use crate::error::{Error, Result};

pub use erase_tenant::erase_tenant;
pub use export_tenant::export_tenant;
pub use import_tenant::{ImportedTenant, import_tenant};
pub use replace_tenant::{ReplacedTenant, replace_tenant};
pub(crate) use tenant_file::{Content, Reader, Seal};

/// Parses the tenant that an operator names: an agency's id, or `user:` and the id of a user without an agency.
///
/// Does not check that the tenant exists; export and erasure do. Fails with [`Error::NotATenant`] for any other text.
pub fn tenant_named(name: &str) -> Result<TenantId> {
    let invalid = |_| Error::NotATenant;
    match name.strip_prefix("user:") {
        Some(user) => UserId::from_str(user).map(|user| TenantId::of_user(&user, None)).map_err(invalid),
        None => AgencyId::from_str(name).map(|agency| TenantId::of_agency(&agency)).map_err(invalid),
    }
}
