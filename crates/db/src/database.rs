//! Connect, migrate, hand out a store.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rylie_audit::{Action, Event, SigningKey};
use rylie_crypto::{Error as CryptoError, KeyFile, KeyId, KeyState, Keyring};
use rylie_entities::{Env, SystemEnv, TenantId};
use rylie_maintenance::{ImportedTenant, Seed, Seeded};
use rylie_migration::{MIGRATIONS, MigrationState, MigrationStatus, Migrations, RoleCheck};
use rylie_repositories::{
    AuditReader, ConnectionError, DatabaseStore, Grant, Pool, Progress, ReplicaStatus, Replicas, Store, TenantCounts,
};
use sea_orm::DbBackend;

use crate::config::{Config, ReplicaSettings};
use crate::error::{Error, Result};
use crate::health::{Health, TESTED};
use crate::keys::{self, WatchedKeyring};

/// A database that is connected. Cheap to clone; the connections close when the last clone is gone.
#[derive(Clone)]
pub struct Database {
    config: Arc<Config>,
    pool: Pool,
    /// Of the login for platform units and the books, where it is another one.
    platform: Option<Pool>,
    replicas: Option<Replicas>,
    store: Arc<DatabaseStore>,
}

impl Database {
    /// Connects, with the system's clock and ids. Fails at once if the database does not answer, the keyring
    /// cannot be read, or the setting `fingerprint` names another database; a replica may answer later. Changes nothing; a SQLite
    /// file is made if the URL says `mode=rwc`, and another application's is refused and stays as it was.
    pub async fn connect(config: Config) -> Result<Self> {
        Self::connect_with(config, Arc::new(SystemEnv)).await
    }

    /// As [`connect`](Self::connect), with another clock and other ids: for tests.
    pub async fn connect_with(config: Config, env: Arc<dyn Env>) -> Result<Self> {
        let config = Arc::new(config);
        let watched = WatchedKeyring::new(&config);
        let keys = keys::read(&config)?;
        config.guard_fingerprint().await?;
        let failed = |source: ConnectionError| match source.into() {
            source @ rylie_repositories::Error::ForeignFile => Error::Repository(source),
            source => Error::Connect { url: config.shown_url(), source },
        };
        let pool = Pool::connect(&config.url, config.pool).await.map_err(failed)?;
        let store = DatabaseStore::new(pool.clone(), env, keys).with_quotas(config.quotas);
        let platform = config.connect_platform(&pool).await?;
        let store = match &platform {
            Some(platform) => store.with_platform(platform.clone()),
            None => store,
        };
        let replicas = config.watch_replicas(&pool)?;
        let store = match &replicas {
            Some(replicas) => store.reading_from(replicas.clone()),
            None => store,
        };
        let store = match watched {
            Some(keyring) => store.following(Arc::new(keyring)),
            None => store,
        };
        Ok(Self { config, pool, platform, replicas, store: Arc::new(store) })
    }

    /// Applies the pending migrations, over a connection of its own, and returns their names. Any number of
    /// processes may call it at once. A database that Prisma made is refused: `rylie adopt` takes it over.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        let mut migrations = self.migrations().await?;
        let applied = migrations.deploy(&mut |_| {}).await?;
        self.pool.look_for_roles().await?;
        if let Some(platform) = &self.platform {
            platform.look_for_roles().await?;
        }
        Ok(applied)
    }

    /// The migrations of this database; see [`Config::migrations`].
    pub async fn migrations(&self) -> Result<Migrations> {
        self.config.migrations().await
    }

    /// Refuses what destroys data where the database is marked as production, or has no mark; `doing` goes into the message:
    /// `database.guard_destructive("erase a tenant").await?`. Ask it first, whatever flags were given: the only way past it
    /// is to take the mark away, with a reason, which is audited. By the pool, and so behind a pooler as well.
    pub async fn guard_destructive(&self, doing: &str) -> Result<()> {
        // A word that this version does not know is no leave to destroy anything.
        let marked = self.pool.mark().await?.and_then(|mark| mark.environment.parse().ok());
        Ok(rylie_migration::guard_destructive(marked, doing)?)
    }

    /// The fingerprint in the database's marker.
    pub(crate) async fn stored_fingerprint(&self) -> Result<Option<String>> {
        Ok(self.pool.mark().await?.map(|mark| mark.fingerprint))
    }

    /// Whether the walls hold for the service's login, and the audit log for everybody; empty on SQLite, which has no
    /// roles. Opens one connection beside the pool.
    pub async fn check_roles(&self) -> Result<Vec<RoleCheck>> {
        Ok(self.config.migrations_to_read().await?.check_roles().await?)
    }

    /// The three doors to the data.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// What a verification of the audit log reads; see [`DatabaseStore::audit_reader`]. It takes no right to write.
    pub async fn audit_reader(&self) -> Result<AuditReader> {
        Ok(self.store.audit_reader().await?)
    }

    /// Makes what the platform needs before anybody can sign in, and what a seed file names.
    pub async fn seed(&self, seed: &Seed) -> Result<Seeded> {
        Ok(rylie_maintenance::seed(&*self.store, seed).await?)
    }

    /// Reads the keyring again: units opened from now on work with its keys. Its file is looked at whenever a unit opens, so
    /// nobody needs this after `rylie keys rotate`; it tells what is wrong with the file, where a unit goes on with
    /// the keys from before.
    pub fn reload_keys(&self) -> Result<()> {
        if self.config.keyring.is_none() {
            return Ok(());
        }
        self.store.replace_keys(|| keys::read(&self.config))
    }

    /// Works with this keyring from now on: for one that is in no file of keys in the clear, but came from the environment, a
    /// secret store, or a file whose keys a [`KeyProvider`](rylie_crypto::KeyProvider) wraps. Leave the setting `keyring`
    /// out then, and call this again after a rotation.
    pub fn use_keyring(&self, keyring: Keyring) -> Result<()> {
        self.store.replace_keys(|| keys::with_legacy_key(keyring, &self.config).map(Some))
    }

    /// Destroys a key of the keyring's file, after it has looked that no value of this database is under it. Recorded.
    ///
    /// [`Error::KeyInBackup`] while a backup in the configured folder needs it,
    /// [`Error::KeyInUse`] while there is one, [`Error::NotToDestroy`] for the active key and for none. Waits for units that
    /// are still writing secrets. Other databases, and backups elsewhere, are not
    /// looked at: what is under the key there is lost.
    pub async fn destroy_key(&self, key: &KeyId) -> Result<()> {
        let path = self.config.keyring().ok_or(rylie_repositories::Error::NoKeyring)?;
        let file = KeyFile::new(path);
        may_be_destroyed(&file.load().map_err(Error::Keys)?, key)?;
        self.config.refuse_key_in_backup(key)?;
        self.reload_keys()?;
        // A unit that sealed before the rotation may not have committed yet.
        let unit = (&*self.store as &dyn Store).platform(Grant::job("destroy-key", "waits for writers")?).await?;
        unit.secret_values().wait_for_writers().await?;
        unit.commit().await?;
        let columns = rylie_maintenance::key_report(&*self.store, &Progress::none()).await?.under(key.as_str());
        if !columns.is_empty() {
            return Err(Error::KeyInUse { key: key.clone(), columns });
        }
        // Recorded first: a record without a destruction is better than the other way round.
        let unit = (&*self.store as &dyn Store).platform(Grant::job("destroy-key", "no value is under it")?).await?;
        unit.audit().record(Event::new(Action::KeyDestroyed).on("Key", key)).await?;
        unit.commit().await?;
        file.update(|keyring| keyring.destroy(key)).map_err(Error::NotToDestroy)?;
        self.reload_keys()
    }

    /// Writes every row of one tenant to a file; see [`export_tenant`](rylie_maintenance::export_tenant).
    pub async fn export_tenant(
        &self,
        tenant: &TenantId,
        out: &Path,
        key: Option<&SigningKey>,
        progress: &Progress,
    ) -> Result<TenantCounts> {
        Ok(rylie_maintenance::export_tenant(&*self.store, tenant, newest_migration(), out, key, progress).await?)
    }

    /// Adds every row of a tenant from a file, or none; see [`import_tenant`](rylie_maintenance::import_tenant).
    pub async fn import_tenant(&self, file: &Path, progress: &Progress) -> Result<ImportedTenant> {
        Ok(rylie_maintenance::import_tenant(&*self.store, file, newest_migration(), progress).await?)
    }

    /// Deletes every row of one tenant for good; see [`erase_tenant`](rylie_maintenance::erase_tenant). Refused where the
    /// database is marked as production, before anything is begun and again before it is committed.
    pub async fn erase_tenant(&self, tenant: &TenantId) -> Result<TenantCounts> {
        self.guard_destructive("erase a tenant").await?;
        Ok(rylie_maintenance::erase_tenant(&*self.store, tenant).await?)
    }

    /// Asks the database whether it answers and is migrated. Opens one connection beside the pool.
    pub async fn health(&self) -> Result<Health> {
        let asked = Instant::now();
        self.pool.ping().await?;
        let round_trip = asked.elapsed();
        // A session of its own would leave its settings on a pooler's connection.
        let (pending_migrations, exempt_login) = if self.config.pool.behind_pooler {
            (self.missing_migrations().await?, None)
        } else {
            let mut migrations = self.config.migrations_to_read().await?;
            (pending(migrations.status().await?), migrations.exempt_login().await?)
        };
        let (connections, idle_connections) = self.pool.usage();
        Ok(Health {
            engine: if self.pool.engine() == DbBackend::Sqlite { "sqlite" } else { "postgres" },
            tested: if self.pool.engine() == DbBackend::Sqlite { "SQLite as it is built in" } else { TESTED },
            round_trip,
            pending_migrations,
            exempt_login,
            row_level_security: self.pool.has_row_level_security(),
            connections,
            idle_connections,
            replicas: self.replicas(),
        })
    }

    /// How the replicas do, as they were last seen; empty where none is configured.
    #[must_use]
    pub fn replicas(&self) -> Vec<ReplicaStatus> {
        self.replicas.as_ref().map(Replicas::status).unwrap_or_default()
    }

    async fn missing_migrations(&self) -> Result<Vec<String>> {
        let applied = self.pool.applied_migrations().await?;
        let known = MIGRATIONS.iter().map(|migration| migration.name());
        Ok(known.filter(|name| applied.iter().all(|applied| applied != name)).map(str::to_owned).collect())
    }

    /// The settings it was connected with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn env(&self) -> Arc<dyn Env> {
        self.store.env()
    }

    /// Closes every connection, waiting for those in use.
    pub async fn close(self) {
        self.pool.close().await;
        if let Some(platform) = &self.platform {
            platform.close().await;
        }
        if let Some(replicas) = &self.replicas {
            replicas.close().await;
        }
    }
}

impl Config {
    /// The pool of the login for the platform, if one is named; refused for another database than the service's own.
    async fn connect_platform(&self, service: &Pool) -> Result<Option<Pool>> {
        let Some(url) = &self.platform_url else { return Ok(None) };
        let failed = |source: ConnectionError| Error::Connect { url: self.shown_platform_url(), source: source.into() };
        let platform = Pool::connect(url, self.pool).await.map_err(failed)?;
        let same = |mark: Option<rylie_repositories::StoredMark>| mark.map(|mark| mark.fingerprint);
        if same(platform.mark().await?) != same(service.mark().await?) {
            let reason = "it names another database than database_url".to_owned();
            return Err(Error::Config { setting: "platform_url".to_owned(), reason });
        }
        Ok(Some(platform))
    }

    fn watch_replicas(&self, primary: &Pool) -> Result<Option<Replicas>> {
        let ReplicaSettings { urls, max_lag } = self.replicas.clone();
        if urls.is_empty() {
            return Ok(None);
        }
        Ok(Some(Replicas::watch(primary, &self.url, self.pool, urls, max_lag)?))
    }
}

fn pending(status: Vec<MigrationStatus>) -> Vec<String> {
    let wrong = |state| !matches!(state, MigrationState::Applied | MigrationState::Unknown);
    status.into_iter().filter(|migration| wrong(migration.state)).map(|migration| migration.name).collect()
}

/// Looked at before the long count.
fn may_be_destroyed(keyring: &Keyring, key: &KeyId) -> Result<()> {
    let known = keyring.keys().find(|(id, _)| *id == key).map(|(_, state)| state);
    Err(Error::NotToDestroy(match known {
        Some(KeyState::DecryptOnly) => return Ok(()),
        Some(KeyState::Active) => CryptoError::KeyIsActive { key: key.clone() },
        Some(KeyState::Destroyed) => CryptoError::KeyDestroyed { key: key.clone() },
        None => CryptoError::UnknownKey { key: key.clone() },
    }))
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
