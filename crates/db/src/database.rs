//! The connected database: migrate it, and get a store.
//!
//! This file is long because each operation on a whole database is a method of the same type.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use rylie_audit::{Action, Event, Origin, SigningKey};
use rylie_crypto::{Error as CryptoError, KeyFile, KeyId, KeyState, Keyring};
use rylie_entities::{Env, SystemEnv, TenantId};
use rylie_maintenance::{ImportedTenant, Seed, Seeded, TenantWork};
use rylie_migration::{MIGRATIONS, MigrationState, MigrationStatus, Migrations, RoleCheck};
use rylie_repositories::{
    AuditReader, CallSite, ConnectionError, Credential, DatabaseStore, Grant, IdentityUnit, NewRequest, NewTask,
    OperationsUnit, PlatformUnit, Pool, Progress, ReplicaStatus, Replicas, RequestWithTasks, Result as DataResult,
    SignedInUser, StatementLoop, Store, StoreExt, TenantAccess, TenantCounts, TenantScope, TenantUnit, TenantUnits,
    UnitOptions,
};
use sea_orm::DbBackend;

use crate::config::{Config, ReplicaSettings};
use crate::error::{Error, Result};
use crate::health::{Health, TESTED};
use crate::keys::{self, WatchedKeyring};

/// A connected database. Cheap to clone; the connections close when the last clone is dropped.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[derive(Clone)]
pub struct Database {
    config: Arc<Config>,
    pool: Pool,
    /// The pool of the login for platform and operations units, if it is a separate one.
    platform: Option<Pool>,
    replicas: Option<Replicas>,
    store: Arc<DatabaseStore>,
}

impl Database {
    /// Connects with the system's clock and ids. Changes nothing. Fails at once if the database does not answer, the
    /// keyring cannot be read, or the setting `fingerprint` names another database. A replica may answer later. A
    /// missing SQLite file is created if the URL says `mode=rwc`. Another application's file is refused and unchanged.
    ///
    /// Fails with [`Error::Connect`] if the database does not answer or refuses the login. Fails with [`Error::Keys`]
    /// if the keyring or the old service's key cannot be used. Fails with [`Error::Migration`] for another fingerprint,
    /// and with [`Error::Repository`] ([`ForeignFile`](rylie_repositories::Error::ForeignFile)) for another
    /// application's file. Fails with [`Error::Config`] if `platform_url` names another database.
    pub async fn connect(config: Config) -> Result<Self> {
        Self::connect_with(config, Arc::new(SystemEnv)).await
    }

    /// As [`connect`](Self::connect), with another source of time and ids, for tests.
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
        let store = store.with_own(config.schema.own().clone());
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

    /// Applies the pending migrations over a separate connection and returns their names. Concurrent calls are safe.
    /// Fails for a database that Prisma created: `rylie adopt` takes it over.
    ///
    /// Fails with [`Error::Migration`]. Its cause is a [`Refusal`](rylie_migration::Refusal) if nothing was done, and
    /// otherwise the step that failed. Fails with [`Error::Config`] if `behind_pooler` is set.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        let mut migrations = self.migrations().await?;
        let applied = migrations.deploy(&mut |_| {}).await?;
        self.pool.look_for_roles().await?;
        if let Some(platform) = &self.platform {
            platform.look_for_roles().await?;
        }
        Ok(applied)
    }

    /// Connects to the migrations of this database; see [`Config::migrations`].
    pub async fn migrations(&self) -> Result<Migrations> {
        self.config.migrations().await
    }

    /// Fails with [`Error::Migration`] where the environment marker is production
    /// ([`Destructive`](rylie_migration::Refusal::Destructive)) or missing
    /// ([`NotOurs`](rylie_migration::Refusal::NotOurs)), to prevent the destruction of data. The message contains
    /// `doing`: `database.guard_destructive("erase a tenant").await?`. Call it first, whatever flags were given. The
    /// only way past it is to change the marker, with a reason, which is audited. It uses the pool, so it also works
    /// behind a pooler.
    pub async fn guard_destructive(&self, doing: &str) -> Result<()> {
        // A marker that this version does not know permits no destruction.
        let marked = self.pool.mark().await?.and_then(|mark| mark.environment.parse().ok());
        Ok(rylie_migration::guard_destructive(marked, doing)?)
    }

    /// The fingerprint in the database's marker.
    pub(crate) async fn stored_fingerprint(&self) -> Result<Option<String>> {
        Ok(self.pool.mark().await?.map(|mark| mark.fingerprint))
    }

    /// Checks that the isolation layers hold for the service's login, and that the audit log is protected from
    /// everyone. Empty on SQLite, which has no roles. Opens one connection outside the pool. Fails with
    /// [`Error::Config`] if `behind_pooler` is set.
    pub async fn check_roles(&self) -> Result<Vec<RoleCheck>> {
        Ok(self.config.migrations_to_read().await?.check_roles().await?)
    }

    /// Returns the store, which opens units of work.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// Opens the reads of an audit log verification; see [`DatabaseStore::audit_reader`]. Needs no right to write.
    pub async fn audit_reader(&self) -> Result<AuditReader> {
        Ok(self.store.audit_reader().await?)
    }

    /// Creates the rows that the first sign-in needs, and those of the seed file. Fails as
    /// [`seed`](rylie_maintenance::seed()) does.
    pub async fn seed(&self, seed: &Seed) -> Result<Seeded> {
        Ok(rylie_maintenance::seed(&*self.store, seed).await?)
    }

    /// Reads the keyring again for units opened from now on. Not needed after `rylie keys rotate`, because each unit
    /// checks the file when it opens. This call also returns an error of the file; a unit would continue with the
    /// previous keys.
    ///
    /// Fails with [`Error::Keys`] if the keyring or the old service's key cannot be used; the previous keys then stay.
    pub fn reload_keys(&self) -> Result<()> {
        if self.config.keyring.is_none() {
            return Ok(());
        }
        self.store.replace_keys(|| keys::read(&self.config))
    }

    /// Uses this keyring from now on. Use it for a keyring without a plain key file: from the environment, a secret
    /// store, or wrapped by a [`KeyProvider`](rylie_crypto::KeyProvider). Then omit the setting `keyring`, and call
    /// this again after a rotation. Fails with [`Error::Keys`] if the old service's key is too short.
    pub fn use_keyring(&self, keyring: Keyring) -> Result<()> {
        self.store.replace_keys(|| keys::with_legacy_key(keyring, &self.config).map(Some))
    }

    /// Destroys a key of the keyring's file after it has checked that no value of this database is under it. Recorded.
    ///
    /// Waits for units that are still writing secrets. Fails with [`Error::KeyInBackup`] while a backup in the configured
    /// folder needs the key, with [`Error::KeyInUse`] while a value is under the key, and with [`Error::NotToDestroy`]
    /// for the active or an unknown key. Other databases, and backups elsewhere, are not checked: their values under
    /// the key are lost.
    ///
    /// Fails with [`Error::Repository`] ([`NoKeyring`](rylie_repositories::Error::NoKeyring)) without a keyring, and
    /// with [`Error::Keys`] if its file cannot be read.
    pub async fn destroy_key(&self, key: &KeyId) -> Result<()> {
        let path = self.config.keyring().ok_or(rylie_repositories::Error::NoKeyring)?;
        let file = KeyFile::new(path);
        may_be_destroyed(&file.load().map_err(Error::Keys)?, key)?;
        self.config.refuse_key_in_backup(key).await?;
        self.reload_keys()?;
        // A unit that sealed before the rotation may not have committed yet.
        let unit = self.platform(Grant::job("destroy-key", "waits for writers")?).await?;
        unit.secret_values().wait_for_writers().await?;
        unit.commit().await?;
        let columns = rylie_maintenance::key_report(&*self.store, &Progress::none()).await?.under(key.as_str());
        if !columns.is_empty() {
            return Err(Error::KeyInUse { key: key.clone(), columns });
        }
        // Recorded first: a record without a destruction is better than a destruction without a record.
        let unit = self.platform(Grant::job("destroy-key", "no value is under it")?).await?;
        unit.audit().record(Event::new(Action::KeyDestroyed).on(key)).await?;
        unit.commit().await?;
        file.update(|keyring| keyring.destroy(key)).map_err(Error::NotToDestroy)?;
        self.reload_keys()
    }

    /// Exports every row of one tenant to a file; see [`export_tenant`](rylie_maintenance::export_tenant).
    pub async fn export_tenant(
        &self,
        tenant: &TenantId,
        out: &Path,
        key: Option<&SigningKey>,
        progress: &Progress,
    ) -> Result<TenantCounts> {
        Ok(rylie_maintenance::export_tenant(&*self.store, tenant, &self.newest_migration(), out, key, progress).await?)
    }

    /// Imports a tenant from a file, all rows or none; see [`import_tenant`](rylie_maintenance::import_tenant).
    pub async fn import_tenant(&self, file: &Path, progress: &Progress) -> Result<ImportedTenant> {
        Ok(rylie_maintenance::import_tenant(&*self.store, file, &self.newest_migration(), progress).await?)
    }

    /// Deletes every row of one tenant permanently; see [`erase_tenant`](rylie_maintenance::erase_tenant). Refused
    /// where the environment marker is production: checked before anything starts, as by
    /// [`guard_destructive`](Self::guard_destructive), and again before the commit.
    pub async fn erase_tenant(&self, tenant: &TenantId) -> Result<TenantCounts> {
        self.guard_destructive("erase a tenant").await?;
        Ok(rylie_maintenance::erase_tenant(&*self.store, tenant).await?)
    }

    /// Checks that the database answers, by the pool: one round trip, and no connection more. For probes that run often;
    /// [`health`](Self::health) checks more. Waits for a free connection as a unit does.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.pool.ping().await?)
    }

    /// Checks by the pool whether every migration of this version is applied, so that a service may accept calls. Two
    /// round trips, and no connection more. Fails with [`Error::MayNotReadMigrations`] for a login without that right.
    pub async fn is_migrated(&self) -> Result<bool> {
        Ok(self.missing_migrations().await?.is_empty())
    }

    /// Checks that the database answers and is migrated. Opens one connection outside the pool. Fails with
    /// [`Error::MayNotReadMigrations`] for a login that may not read which migrations are applied.
    pub async fn health(&self) -> Result<Health> {
        let asked = Instant::now();
        self.pool.ping().await?;
        let round_trip = asked.elapsed();
        // A separate session would leave its settings on a pooler's connection.
        let (pending_migrations, exempt_login) = if self.config.pool.behind_pooler {
            (self.missing_migrations().await?, None)
        } else {
            let mut migrations = self.config.migrations_to_read().await?;
            let status = migrations.status().await.map_err(|error| Error::from(error).of_migrations_read())?;
            (pending(status), migrations.exempt_login().await?)
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

    /// Returns the last known state of the replicas; empty if none is configured.
    #[must_use]
    pub fn replicas(&self) -> Vec<ReplicaStatus> {
        self.replicas.as_ref().map(Replicas::status).unwrap_or_default()
    }

    async fn missing_migrations(&self) -> Result<Vec<String>> {
        let applied = self.pool.applied_migrations().await.map_err(|error| Error::from(error).of_migrations_read())?;
        let known = MIGRATIONS.iter().chain(self.config.schema.migrations()).map(|migration| migration.name());
        Ok(known.filter(|name| applied.iter().all(|applied| applied != name)).map(str::to_owned).collect())
    }

    /// Returns an applied migration of a service's own tables that the configuration's schema does not have.
    pub(crate) async fn unknown_own_migration(&self) -> Result<Option<String>> {
        let own = self.config.schema.migrations();
        let is_unknown = |name: &String| own.iter().all(|known| known.name() != name);
        let mut applied = self.pool.applied_migrations().await?.into_iter();
        Ok(applied.find(|name| name.starts_with("own_") && is_unknown(name)))
    }

    /// Returns whether these migrations, in the order of their names, make a complete schema of this version and of the
    /// service's own tables. Own tables that the configuration does not have are left aside.
    pub(crate) fn is_current(&self, applied: &[String]) -> bool {
        let newest = applied.iter().rfind(|name| !name.starts_with("own_")).map(String::as_str);
        let mut own = self.config.schema.migrations().iter().map(|migration| migration.name());
        newest == MIGRATIONS.last().map(|migration| migration.name())
            && own.all(|name| applied.iter().any(|applied| applied == name))
    }

    /// Returns the last migration of a complete schema of this version, and of the service's own tables.
    fn newest_migration(&self) -> String {
        let lines = [MIGRATIONS, self.config.schema.migrations()];
        let newest = lines.iter().filter_map(|line| line.last().map(|migration| migration.name()));
        newest.collect::<Vec<_>>().join(", ")
    }

    /// Returns the settings of this connection.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Open and idle connections of the pool, the waiting callers, and the source lines that hold connections.
    pub(crate) fn pool_state(&self) -> (u32, usize, usize, Vec<String>) {
        let (open, idle) = self.pool.usage();
        (open, idle, self.pool.waiting(), self.pool.holders().iter().map(ToString::to_string).collect())
    }

    /// The work of each tenant's units in this process.
    pub(crate) fn tenant_work(&self) -> Vec<(String, TenantWork)> {
        let work = |of: TenantUnits| {
            let ms = u64::try_from(of.time.as_millis()).unwrap_or(u64::MAX);
            (of.tenant, TenantWork { units: of.units, statements: of.statements, rows: of.rows, ms })
        };
        self.pool.tenant_units().into_iter().map(work).collect()
    }

    /// The statements that units of this process repeat row by row: source line, statement, most repetitions, units.
    pub(crate) fn statement_loops(&self) -> Vec<(String, String, u64, u64)> {
        let line = |of: StatementLoop| {
            let at = of.opened_at;
            (format!("{}:{}", at.file(), at.line()), of.statement, of.most, of.units)
        };
        std::iter::once(&self.pool).chain(&self.platform).flat_map(Pool::statement_loops).map(line).collect()
    }

    pub(crate) fn env(&self) -> Arc<dyn Env> {
        self.store.env()
    }

    /// Closes all connections. Waits for those in use.
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

#[async_trait]
impl Store for Database {
    async fn open_tenant(
        &self,
        scope: &TenantScope,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> DataResult<Box<dyn TenantUnit>> {
        self.store.open_tenant(scope, options, opened_at).await
    }

    async fn open_identity(&self, opened_at: CallSite) -> DataResult<Box<dyn IdentityUnit>> {
        self.store.open_identity(opened_at).await
    }

    async fn open_identity_to_read(
        &self,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> DataResult<Box<dyn IdentityUnit>> {
        self.store.open_identity_to_read(options, opened_at).await
    }

    async fn find_signed_in(&self, credential: &Credential, opened_at: CallSite) -> DataResult<Option<SignedInUser>> {
        self.store.find_signed_in(credential, opened_at).await
    }

    async fn create_request(
        &self,
        scope: &TenantScope,
        new: NewRequest,
        tasks: Vec<NewTask>,
        recorded: bool,
        opened_at: CallSite,
    ) -> DataResult<RequestWithTasks> {
        self.store.create_request(scope, new, tasks, recorded, opened_at).await
    }

    async fn open_tenant_of(
        &self,
        credential: &Credential,
        origin: Origin,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> DataResult<TenantAccess> {
        self.store.open_tenant_of(credential, origin, options, opened_at).await
    }

    async fn open_platform(
        &self,
        grant: Grant,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> DataResult<Box<dyn PlatformUnit>> {
        self.store.open_platform(grant, options, opened_at).await
    }

    async fn open_operations(&self, opened_at: CallSite) -> DataResult<Box<dyn OperationsUnit>> {
        self.store.open_operations(opened_at).await
    }
}

impl Config {
    /// Connects the pool of the platform's login, if one is configured. Fails for a database other than the service's.
    async fn connect_platform(&self, service: &Pool) -> Result<Option<Pool>> {
        let Some(url) = &self.platform_url else { return Ok(None) };
        let failed = |source: ConnectionError| Error::Connect { url: self.shown_platform_url(), source: source.into() };
        let platform = Pool::connect(url, self.pool).await.map_err(failed)?;
        let same = |mark: Option<rylie_repositories::StoredMarker>| mark.map(|mark| mark.fingerprint);
        if same(platform.mark().await?) != same(service.mark().await?) {
            let reason = "it must name the same database as database_url".to_owned();
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

/// Fails for a key that cannot be destroyed. Checked before the long count.
fn may_be_destroyed(keyring: &Keyring, key: &KeyId) -> Result<()> {
    let known = keyring.keys().find(|(id, _)| *id == key).map(|(_, state)| state);
    Err(Error::NotToDestroy(match known {
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
