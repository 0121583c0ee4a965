//! How a service's code reaches its repositories and rows.

use rylie_entities::OwnTable;

use crate::TenantUnit;
use crate::reading::Reading;

/// Reads rows by their ids for a [`Loader`](crate::Loader). With a mock unit the read fails with
/// [`Error::Invalid`](crate::Error::Invalid).
pub fn load<E: OwnTable>(unit: &dyn TenantUnit, ids: Vec<E::Id>) -> Reading<'_, Vec<E::Model>> {
    unit.own().read::<E>(ids)
}

/// Declares how a service's repositories are reached: a trait with one method each, for tenant and platform units.
///
/// ```
/// use async_trait::async_trait;
/// use rylie_repositories::{OwnTables, Result, TenantUnit, repositories};
///
/// #[async_trait]
/// pub trait NoteRepository: Send + Sync {
///     async fn count(&self) -> Result<u64>;
/// }
///
/// #[async_trait]
/// impl NoteRepository for OwnTables {
///     async fn count(&self) -> Result<u64> {
///         Ok(0)
///     }
/// }
///
/// repositories! {
///     /// Notes.
///     pub trait Notes {
///         /// The notes of the tenant.
///         notes: NoteRepository;
///     }
/// }
///
/// async fn notes(unit: &dyn TenantUnit) -> Result<u64> {
///     unit.notes().count().await
/// }
/// ```
#[macro_export]
macro_rules! repositories {
    (
        $(#[$doc:meta])* $vis:vis trait $units:ident {
            $($(#[$repository_doc:meta])* $name:ident: $repository:path;)+
        }
    ) => {
        $(#[$doc])*
        $vis trait $units {
            $($(#[$repository_doc])* fn $name(&self) -> &dyn $repository;)+
        }

        impl $units for dyn $crate::TenantUnit + '_ {
            $(fn $name(&self) -> &dyn $repository {
                self.own().repository::<dyn $repository>(|tables| tables)
            })+
        }

        impl $units for dyn $crate::PlatformUnit + '_ {
            $(fn $name(&self) -> &dyn $repository {
                self.own().repository::<dyn $repository>(|tables| tables)
            })+
        }
    };
}
