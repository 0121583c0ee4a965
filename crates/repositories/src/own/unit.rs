//! How a unit reaches a service's repositories.

use rylie_entities::OwnTable;

#[cfg(feature = "mock")]
use super::OwnMocks;
use super::OwnTables;
#[cfg(feature = "mock")]
use crate::Error;
use crate::reading::Reading;

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

    /// Reads rows by their ids.
    pub(super) fn read<E: OwnTable>(self, ids: Vec<E::Id>) -> Reading<'u, Vec<E::Model>> {
        let source = self.0;
        Box::pin(async move {
            match source {
                Source::Tables(tables) => tables.of::<E>().find_many(&ids).await,
                #[cfg(feature = "mock")]
                Source::Mocks(_) => {
                    Err(Error::Invalid { what: "the loader", reason: "it reads a database, not mocks" })
                }
            }
        })
    }
}
