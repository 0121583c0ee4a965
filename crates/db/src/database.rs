//! Connect, migrate, hand out a store.

use std::sync::Arc;
use std::time::Instant;

use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{Seed, Seeded};
use rylie_migration::{MIGRATIONS, Migrations};
use rylie_repositories::{DatabaseStore, Pool, Store};
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
    ///
    /// [`Error::Config`] with `behind_pooler`: what migrations set for their session would stay on the pooler's
    /// connection for the next one who gets it.
    pub async fn migrations(&self) -> Result<Migrations> {
        if self.config.pool.behind_pooler {
            let reason =
                "migrations take a connection of their own: connect to the server itself, without this setting";
            return Err(Error::Config { setting: "behind_pooler".to_owned(), reason: reason.to_owned() });
        }
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

    /// Asks the database whether it answers and is migrated. Opens one connection beside the pool.
    pub async fn health(&self) -> Result<Health> {
        let asked = Instant::now();
        self.pool.ping().await?;
        let round_trip = asked.elapsed();
        let applied = self.pool.applied_migrations().await?;
        let known = MIGRATIONS.iter().map(|migration| migration.name());
        let pending = known.filter(|name| applied.iter().all(|applied| applied != name));
        let (connections, idle_connections) = self.pool.usage();
        Ok(Health {
            engine: if self.pool.engine() == DbBackend::Sqlite { "sqlite" } else { "postgres" },
            round_trip,
            pending_migrations: pending.map(str::to_owned).collect(),
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

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.config.shown_url())
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
