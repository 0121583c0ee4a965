//! Connect, migrate, hand out a store.

use std::sync::Arc;
use std::time::Instant;

use rylie_audit::{Action, Event};
use rylie_crypto::{Error as CryptoError, KeyFile, KeyId, KeyState, Keyring};
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{Seed, Seeded};
use rylie_migration::{MigrationState, Migrations};
use rylie_repositories::{DatabaseStore, Grant, Pool, Progress, Store};
use sea_orm::DbBackend;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::health::Health;
use crate::keys;

/// A database that is connected. Cheap to clone; the connections close when the last clone is gone.
#[derive(Clone)]
pub struct Database {
    config: Arc<Config>,
    pool: Pool,
    store: Arc<DatabaseStore>,
}

impl Database {
    /// Connects, with the system's clock and ids. Fails at once if the database does not answer, or the keyring
    /// cannot be read. Changes nothing; a SQLite file is made if the URL says `mode=rwc`.
    pub async fn connect(config: Config) -> Result<Self> {
        Self::connect_with(config, Arc::new(SystemEnv)).await
    }

    /// As [`connect`](Self::connect), with another clock and other ids: for tests.
    pub async fn connect_with(config: Config, env: Arc<dyn Env>) -> Result<Self> {
        let keys = keys::read(&config)?;
        let failed = |source| Error::Connect { url: config.shown_url(), source };
        let pool = Pool::connect(&config.url, config.pool).await.map_err(failed)?;
        let store = Arc::new(DatabaseStore::new(pool.clone(), env, keys));
        Ok(Self { config: Arc::new(config), pool, store })
    }

    /// Applies the pending migrations, over a connection of its own, and returns their names. Any number of
    /// processes may call it at once. A database that Prisma made is refused: `rylie adopt` takes it over.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        let mut migrations = self.migrations().await?;
        let applied = migrations.deploy(&mut |_| {}).await?;
        self.pool.look_for_roles().await?;
        Ok(applied)
    }

    /// The migrations of this database: status, down, reset, adopt, the environment's mark.
    pub async fn migrations(&self) -> Result<Migrations> {
        Ok(Migrations::connect(&self.config.url).await?)
    }

    /// The three doors to the data.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// Makes what the platform needs before anybody can sign in, and what a seed file names.
    pub async fn seed(&self, seed: &Seed) -> Result<Seeded> {
        Ok(rylie_maintenance::seed(&*self.store, seed).await?)
    }

    /// Reads the keyring again: units opened from now on seal with its active key. For a service that goes on through
    /// `rylie keys rotate`; one that does not call it seals with the old key until it is started anew.
    pub fn reload_keys(&self) -> Result<()> {
        self.store.replace_keys(keys::read(&self.config)?);
        Ok(())
    }

    /// Destroys a key of the keyring's file, after it has looked that no value of this database is under it. Recorded.
    ///
    /// [`Error::KeyInUse`] while there is one. Other databases, and backups made before the last re-encryption, are not
    /// looked at: what is under the key there is lost.
    pub async fn destroy_key(&self, key: &KeyId) -> Result<()> {
        let path = self.config.keyring().ok_or(rylie_repositories::Error::NoKeyring)?;
        let file = KeyFile::new(path);
        may_be_destroyed(&file.load().map_err(Error::Keys)?, key)?;
        self.reload_keys()?;
        let columns = rylie_maintenance::key_report(&*self.store, &Progress::none()).await?.under(key.as_str());
        if !columns.is_empty() {
            return Err(Error::KeyInUse { key: key.clone(), columns });
        }
        // Recorded first: a record without a destruction is better than the other way round.
        let unit = (&*self.store as &dyn Store).platform(Grant::job("destroy-key", "no value is under it")?).await?;
        unit.audit().record(Event::new(Action::KeyDestroyed).on("Key", key)).await?;
        unit.commit().await?;
        file.update(|keyring| keyring.destroy(key)).map_err(Error::Keys)?;
        self.reload_keys()
    }

    /// Asks the database whether it answers and is migrated. Opens one connection beside the pool.
    pub async fn health(&self) -> Result<Health> {
        let asked = Instant::now();
        self.pool.ping().await?;
        let round_trip = asked.elapsed();
        let status = self.migrations().await?.status().await?;
        let pending = status.into_iter().filter(|migration| migration.state == MigrationState::Pending);
        let (connections, idle_connections) = self.pool.usage();
        Ok(Health {
            engine: if self.pool.engine() == DbBackend::Sqlite { "sqlite" } else { "postgres" },
            round_trip,
            pending_migrations: pending.map(|migration| migration.name).collect(),
            row_level_security: self.pool.has_row_level_security(),
            connections,
            idle_connections,
        })
    }

    /// Closes every connection, waiting for those in use.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

/// Looked at before the long count.
fn may_be_destroyed(keyring: &Keyring, key: &KeyId) -> Result<()> {
    let known = keyring.keys().find(|(id, _)| *id == key).map(|(_, state)| state);
    Err(Error::Keys(match known {
        Some(KeyState::DecryptOnly) => return Ok(()),
        Some(KeyState::Active) => CryptoError::KeyIsActive { key: key.clone() },
        Some(KeyState::Destroyed) => CryptoError::KeyDestroyed { key: key.clone() },
        None => CryptoError::UnknownKey { key: key.clone() },
    }))
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.config.shown_url())
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
