//! The migrations of a configured database. They need neither the pool nor keys.

use rylie_migration::{Migrations, guard_fingerprint};
use rylie_repositories::{ConnectionError, Pool};

use crate::config::Config;
use crate::error::{Error, Result};

impl Config {
    /// Connects to the migrations of this database: deploy, down, reset, adopt, resolve, environment marker, roles.
    /// Needs neither a pool nor keys. Fails with [`Error::Migration`] if the setting `fingerprint` names another
    /// database or the connection fails. Fails with [`Error::Repository`] for another application's SQLite file, which
    /// stays unchanged.
    ///
    /// Fails with [`Error::Config`] if `behind_pooler` is set: session settings of migrations would stay on the
    /// pooler's connection.
    pub async fn migrations(&self) -> Result<Migrations> {
        let url = self.direct_url()?;
        Pool::refuse_foreign_file(url).await?;
        self.guard_fingerprint().await?;
        let migrations = Migrations::connect(url).await?;
        Ok(migrations.with_own(self.schema.migrations()).with_own_secrets(self.schema.secrets()))
    }

    /// As [`migrations`](Self::migrations), read-only. No file is created, and PostgreSQL refuses every write. Fails as
    /// [`migrations`](Self::migrations) does.
    pub async fn migrations_to_read(&self) -> Result<Migrations> {
        let url = self.direct_url()?;
        Pool::refuse_foreign_file(url).await?;
        self.guard_fingerprint().await?;
        Ok(Migrations::connect_to_read(url).await?.with_own(self.schema.migrations()))
    }

    pub(crate) fn direct_url(&self) -> Result<&str> {
        if !self.pool.behind_pooler || self.url.starts_with("sqlite:") {
            return Ok(&self.url);
        }
        let reason = "commands on the schema, the environment marker, the roles or the engine need a direct session: connect to the server itself and remove this setting";
        Err(Error::Config { setting: "behind_pooler".to_owned(), reason: reason.to_owned() })
    }

    /// As `direct_url`, with the platform's login.
    pub(crate) fn direct_platform_url(&self) -> Result<&str> {
        self.direct_url()?;
        Ok(self.platform_url())
    }

    /// Checks that the database is the one that the setting `fingerprint` names. Works behind a pooler.
    pub(crate) async fn guard_fingerprint(&self) -> Result<()> {
        let Some(expected) = &self.fingerprint else { return Ok(()) };
        let failed = |source: ConnectionError| Error::Connect { url: self.shown_url(), source: source.into() };
        let mark = Pool::mark_at(&self.url, &self.pool).await.map_err(failed)?;
        Ok(guard_fingerprint(mark.map(|mark| mark.fingerprint), expected)?)
    }
}
