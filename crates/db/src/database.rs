//! Connect, migrate, hand out a store.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rylie_entities::{Env, SystemEnv, TenantId};
use rylie_maintenance::{ImportedTenant, Seed, Seeded};
use rylie_migration::{Environment, MIGRATIONS, MigrationState, Migrations, Refusal};
use rylie_repositories::{DatabaseStore, Pool, Progress, Store, TenantCounts};
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
        let store = Arc::new(DatabaseStore::new(pool.clone(), env, keys).with_quotas(config.quotas));
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

    /// Writes every row of one tenant to a file; see [`export_tenant`](rylie_maintenance::export_tenant).
    pub async fn export_tenant(&self, tenant: &TenantId, out: &Path, progress: &Progress) -> Result<TenantCounts> {
        Ok(rylie_maintenance::export_tenant(&*self.store, tenant, newest_migration(), out, progress).await?)
    }

    /// Adds every row of a tenant from a file, or none; see [`import_tenant`](rylie_maintenance::import_tenant).
    pub async fn import_tenant(&self, file: &Path, progress: &Progress) -> Result<ImportedTenant> {
        Ok(rylie_maintenance::import_tenant(&*self.store, file, newest_migration(), progress).await?)
    }

    /// Deletes every row of one tenant for good; see [`erase_tenant`](rylie_maintenance::erase_tenant). Refused where the
    /// database is marked as production.
    pub async fn erase_tenant(&self, tenant: &TenantId) -> Result<TenantCounts> {
        self.refuse_production().await?;
        Ok(rylie_maintenance::erase_tenant(&*self.store, tenant).await?)
    }

    async fn refuse_production(&self) -> Result<()> {
        match self.migrations().await?.mark().await? {
            Some(mark) if mark.environment == Environment::Production => {
                Err(rylie_migration::Error::from(Refusal::Production).into())
            }
            _ => Ok(()),
        }
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

/// What a complete schema of this version ends with.
fn newest_migration() -> &'static str {
    MIGRATIONS.last().map_or("", |migration| migration.name())
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.config.shown_url())
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
