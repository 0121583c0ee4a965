//! The migrations of a configured database: beside the pool, and before there are keys.

use rylie_migration::{Migrations, guard_fingerprint};
use rylie_repositories::{ConnectionError, Pool};

use crate::config::Config;
use crate::error::{Error, Result};

impl Config {
    /// Connects to the migrations of this database: deploy, down, reset, adopt, resolve, the mark, the roles. Takes neither a
    /// pool nor keys, which may come later. Refused where the setting `fingerprint` names another database, and for another
    /// application's SQLite file, which stays as it was.
    ///
    /// [`Error::Config`] with `behind_pooler`: what migrations set for their session would stay on the pooler's
    /// connection for the next one who gets it.
    pub async fn migrations(&self) -> Result<Migrations> {
        let url = self.direct_url()?;
        Pool::refuse_foreign_file(url).await?;
        self.guard_fingerprint().await?;
        Ok(Migrations::connect(url).await?)
    }

    /// Likewise, to look only: no file is made, and PostgreSQL refuses whatever would write.
    pub async fn migrations_to_read(&self) -> Result<Migrations> {
        let url = self.direct_url()?;
        Pool::refuse_foreign_file(url).await?;
        self.guard_fingerprint().await?;
        Ok(Migrations::connect_to_read(url).await?)
    }

    pub(crate) fn direct_url(&self) -> Result<&str> {
        if !self.pool.behind_pooler || self.url.starts_with("sqlite:") {
            return Ok(&self.url);
        }
        let reason = "what looks at or changes the schema, the mark, the roles or the engine takes a session of its own: connect to the server itself, without this setting";
        Err(Error::Config { setting: "behind_pooler".to_owned(), reason: reason.to_owned() })
    }

    /// Likewise, as the login for the platform.
    pub(crate) fn direct_platform_url(&self) -> Result<&str> {
        self.direct_url()?;
        Ok(self.platform_url())
    }

    /// Before anything is done to a database: is it the one that the setting `fingerprint` names? Behind a pooler as well.
    pub(crate) async fn guard_fingerprint(&self) -> Result<()> {
        let Some(expected) = &self.fingerprint else { return Ok(()) };
        let failed = |source: ConnectionError| Error::Connect { url: self.shown_url(), source: source.into() };
        let mark = Pool::mark_at(&self.url, &self.pool).await.map_err(failed)?;
        Ok(guard_fingerprint(mark.map(|mark| mark.fingerprint), expected)?)
    }
}
