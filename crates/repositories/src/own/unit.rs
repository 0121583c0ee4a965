//! How a unit reaches a service's repositories.

use rylie_entities::OwnTable;

#[cfg(feature = "mock")]
use super::OwnMocks;
use super::OwnTables;
#[cfg(feature = "mock")]
use crate::Error;
use crate::TenantUnit;
use crate::loader::Reading;

/// A service's repositories in one unit: the tables of the database, or mocks.
#[derive(Clone, Copy)]
pub struct OwnUnit<'u>(Source<'u>);

#[derive(Clone, Copy)]
enum Source<'u> {
    Tables(&'u OwnTables),
    #[cfg(feature = "mock")]
    Mocks(&'u OwnMocks),
}

impl<'u> OwnUnit<'u> {
    pub(crate) fn of_tables(tables: &'u OwnTables) -> Self {
        Self(Source::Tables(tables))
    }

    #[cfg(feature = "mock")]
    pub(crate) fn of_mocks(mocks: &'u OwnMocks) -> Self {
        Self(Source::Mocks(mocks))
    }

    /// Returns the repository `R`: its implementation on the tables, or its mock.
    /// [`repositories!`](crate::repositories!) calls it.
    pub fn repository<R: ?Sized + Send + Sync + 'static>(self, real: fn(&'u OwnTables) -> &'u R) -> &'u R {
        match self.0 {
            Source::Tables(tables) => real(tables),
            #[cfg(feature = "mock")]
            Source::Mocks(mocks) => mocks.get::<R>(),
        }
    }
}

/// Reads rows by their ids for a [`Loader`](crate::Loader).
pub fn load<E: OwnTable>(unit: &dyn TenantUnit, ids: Vec<E::Id>) -> Reading<'_, Vec<E::Model>> {
    let source = unit.own().0;
    Box::pin(async move {
        match source {
            Source::Tables(tables) => tables.of::<E>().find_many(&ids).await,
            #[cfg(feature = "mock")]
            Source::Mocks(_) => Err(Error::Invalid { what: "the loader", reason: "it reads a database, not mocks" }),
        }
    })
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
