//! Restoring over an existing database: into another one first, which then takes its name.

mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};

use super::manifest::Manifest;
use crate::error::Result;

use postgres::PostgresReplacement;
use sqlite::SqliteReplacement;

/// A new database that takes the name of an old one at the end. Until then the old one is untouched, and afterwards it is
/// kept under another name.
pub struct Replacement(Place);

enum Place {
    Postgres(PostgresReplacement),
    Sqlite(SqliteReplacement),
}

impl Replacement {
    /// Makes the new database on the same server, as a superuser of it, or names a file beside the old one. Removes what
    /// killed restores left on that server.
    ///
    /// [`Error::BackupRefused`](crate::Error::BackupRefused) while sessions use the old database, unless `end_sessions` is
    /// given. [`Error::ScratchLacks`](crate::Error::ScratchLacks) if the server lacks what the backup needs.
    pub async fn begin(url: &str, manifest: &Manifest, now: DateTime<Utc>, end_sessions: bool) -> Result<Self> {
        let suffix = format!("before_{}", now.format("%Y%m%dt%H%M%Sz"));
        Ok(Self(if manifest.is_sqlite() {
            Place::Sqlite(SqliteReplacement::begin(url, &suffix).await?)
        } else {
            Place::Postgres(PostgresReplacement::begin(url, manifest, &suffix, end_sessions).await?)
        }))
    }

    /// The URL of the new database.
    #[must_use]
    pub fn url(&self) -> &str {
        match &self.0 {
            Place::Postgres(place) => place.url(),
            Place::Sqlite(place) => place.url(),
        }
    }

    /// The name under which the old database is kept: that of a database of the server, or the path of a file.
    #[must_use]
    pub fn kept_as(&self) -> &str {
        match &self.0 {
            Place::Postgres(place) => place.kept_as(),
            Place::Sqlite(place) => place.kept_as(),
        }
    }

    /// Gives the new database the name of the old one, at once. On PostgreSQL the new one gets the owner, the settings and
    /// the rights of the old one before that. Sessions of the old one are ended if that was asked for; otherwise
    /// [`Error::BackupRefused`](crate::Error::BackupRefused) within some seconds, and nothing has changed.
    pub async fn swap(&mut self) -> Result<()> {
        match &mut self.0 {
            Place::Postgres(place) => place.swap().await,
            Place::Sqlite(place) => place.swap().await,
        }
    }

    /// Removes the new database: it has not taken the old one's name.
    pub async fn remove(self) -> Result<()> {
        match self.0 {
            Place::Postgres(place) => place.remove().await,
            Place::Sqlite(place) => place.remove(),
        }
    }
}
