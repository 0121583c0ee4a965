//! The store opens units of work: tenant, identity, platform and operations units.
//!
//! This file is long because the trait, the store and the mock have the same openers.

mod access;
#[cfg(feature = "mock")]
mod mock;
mod open;

use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rylie_audit::Origin;
use rylie_entities::{Env, Ga4Connection, Request, RequestId, RequestStatus, SearchConsoleConnection, Token};
use rylie_tenancy::{CursorKeys, Opener};

use crate::audit::AuditReader;
use crate::connections::{
    NewGa4Connection, NewSearchConsoleConnection, save_ga4_and_commit, save_search_console_and_commit,
};
use crate::identity::ApiKeySignIn;
use crate::own::OwnSchema;
use crate::requests::{self, NewRequest, RequestWithTasks};
use crate::secrets::Keys;
use crate::tasks::NewTask;
use crate::tx::Tx;
use crate::unit::{IdentityUnit, OperationsUnit, PlatformUnit, TenantUnit};
use crate::unit_context::UnitContext;
use crate::usage::Quotas;
use crate::{CallSite, Confirmed, Error, Grant, Pool, Replicas, Result, SignedInUser, TenantScope, UnitOptions};

pub use access::{Credential, TenantAccess};
#[cfg(feature = "mock")]
pub use mock::MockStore;
pub use open::{
    AddRequest, AddingRequest, Configurable, OfCredential, OfIdentities, OfOneTenant, OfOperations, OfPlatform,
    OfSuperAdmin, OfTenant, OpenReadOnly, OpenUnit, Openable, Opening, ReadingAs, SavingConnection, SettingStatus,
    SigningIn, StoreExt,
};

/// Opens units of work. A store implements these methods. Callers use [`StoreExt`], which sets the options and records
/// the calling line.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens a unit on the rows of one tenant, within the scope's reach. Fails with [`Error::Invalid`] if a unit that
    /// may write has an option for read-only units.
    async fn open_tenant(
        &self,
        scope: &TenantScope,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> Result<Box<dyn TenantUnit>>;

    /// Opens a unit on identities.
    async fn open_identity(&self, opened_at: CallSite) -> Result<Box<dyn IdentityUnit>>;

    /// Opens a unit across tenants. The grant is recorded before it opens.
    ///
    /// Fails with [`Error::NoPlatform`] if the login serves no platform unit. Fails with [`Error::Invalid`] for
    /// autocommit and a deferred begin, and as [`open_tenant`](Self::open_tenant) does.
    async fn open_platform(
        &self,
        grant: Grant,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> Result<Box<dyn PlatformUnit>>;

    /// Opens a unit on operational tables.
    async fn open_operations(&self, opened_at: CallSite) -> Result<Box<dyn OperationsUnit>>;

    /// Opens a read-only unit on identities. By default the unit of [`open_identity`](Self::open_identity).
    async fn open_identity_to_read(&self, options: UnitOptions, opened_at: CallSite) -> Result<Box<dyn IdentityUnit>> {
        let _ = options;
        self.open_identity(opened_at).await
    }

    /// Returns the user of a credential, or `None` if it is unknown or has expired. By default in an identity unit.
    async fn find_signed_in(&self, credential: &Credential, opened_at: CallSite) -> Result<Option<SignedInUser>> {
        let identity = self.open_identity_to_read(UnitOptions::read_only().on_primary(), opened_at).await?;
        credential.signed_in(&*identity).await
    }

    /// Creates a request and its tasks in a tenant unit of its own, records it if `recorded`, and commits. By default
    /// with [`open_tenant`](Self::open_tenant). Fails as that, the repositories' calls and the unit's `commit` do.
    async fn create_request(
        &self,
        scope: &TenantScope,
        new: NewRequest,
        tasks: Vec<NewTask>,
        recorded: bool,
        opened_at: CallSite,
    ) -> Result<RequestWithTasks> {
        let unit = self.open_tenant(scope, UnitOptions::default().deferred(), opened_at).await?;
        requests::add_in_unit(unit, new, tasks, recorded).await
    }

    /// Changes the status of a request in a separate tenant unit, records it, and commits. By default with
    /// [`open_tenant`](Self::open_tenant). Fails as that, the repository's call and the unit's `commit` do.
    async fn change_request_status(
        &self,
        scope: &TenantScope,
        id: &RequestId,
        status: RequestStatus,
        opened_at: CallSite,
    ) -> Result<Request> {
        let unit = self.open_tenant(scope, UnitOptions::default().deferred(), opened_at).await?;
        requests::set_status_in_unit(unit, id, status).await
    }

    /// Returns a unit for [`StoreExt::read_as`] of the user to whom a token belonged when it was last looked up, with
    /// the answer whether a read has confirmed it. By default `None`, and always without the check of a session in the
    /// unit's reads. No round trip.
    fn open_tenant_of_known(
        &self,
        token: &Token,
        origin: &Origin,
        opened_at: CallSite,
    ) -> Option<(TenantAccess, Confirmed)> {
        let _ = (token, origin, opened_at);
        None
    }

    /// Saves a user's connection to Google Analytics 4 in a separate tenant unit, and commits. By default with
    /// [`open_tenant`](Self::open_tenant). Fails as that, the repository's `save` and the unit's `commit` do.
    async fn write_ga4_connection(
        &self,
        scope: &TenantScope,
        new: NewGa4Connection,
        opened_at: CallSite,
    ) -> Result<Ga4Connection> {
        let unit = self.open_tenant(scope, UnitOptions::default().deferred(), opened_at).await?;
        let saved = unit.ga4_connections().save(new).await?;
        unit.commit().await?;
        Ok(saved)
    }

    /// Does the same with a connection to Google Search Console.
    async fn write_search_console_connection(
        &self,
        scope: &TenantScope,
        new: NewSearchConsoleConnection,
        opened_at: CallSite,
    ) -> Result<SearchConsoleConnection> {
        let unit = self.open_tenant(scope, UnitOptions::default().deferred(), opened_at).await?;
        let saved = unit.search_console_connections().save(new).await?;
        unit.commit().await?;
        Ok(saved)
    }

    /// Signs in, and opens a unit on the user's tenant. By default with the two other methods, one after the other.
    ///
    /// Fails with [`Error::NotSignedIn`] if the credential is unknown or has expired, and as
    /// [`find_signed_in`](Self::find_signed_in) and [`open_tenant`](Self::open_tenant) do.
    async fn open_tenant_of(
        &self,
        credential: &Credential,
        origin: Origin,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> Result<TenantAccess> {
        let user = self.find_signed_in(credential, opened_at).await?.ok_or(Error::NotSignedIn)?;
        let scope = TenantScope::of(&user, origin);
        let unit = self.open_tenant(&scope, options, opened_at).await?;
        Ok(TenantAccess::new(scope, unit))
    }
}

/// The store over a database. Cheap to clone.
#[derive(Clone)]
pub struct DatabaseStore {
    opener: Opener,
    /// Replaced as a whole. A unit keeps the keys with which it was opened.
    keys: Arc<Mutex<KeysInUse>>,
    key_source: Option<Arc<dyn KeySource>>,
    quotas: Quotas,
    own: Arc<OwnSchema>,
}

/// The source of a store's keys. The store asks it for changes.
pub trait KeySource: Send + Sync {
    /// Returns the current keys if they changed since the last call. Called whenever a unit opens, by one caller at a
    /// time. It must be cheap while nothing changed.
    fn changed(&self) -> Option<Keys>;
}

#[derive(Clone, Default)]
struct KeysInUse {
    keys: Option<Arc<Keys>>,
    cursors: Arc<CursorKeys>,
}

impl KeysInUse {
    fn new(keys: Option<Keys>) -> Self {
        let keyring = keys.as_ref().map(|keys| Arc::clone(keys.keyring()));
        Self { keys: keys.map(Arc::new), cursors: Arc::new(CursorKeys::of(keyring)) }
    }
}

impl DatabaseStore {
    /// Creates a store over a pool. `env` provides time and ids. Without `keys` the store neither seals nor opens
    /// secrets, and its cursors are valid for this store only. Processes that serve the same lists need the same
    /// keyring.
    #[must_use]
    pub fn new(pool: Pool, env: Arc<dyn Env>, keys: Option<Keys>) -> Self {
        let keys = Arc::new(Mutex::new(KeysInUse::new(keys)));
        let (key_source, quotas) = (None, Quotas::default());
        Self { opener: Opener::new(pool, env), keys, key_source, quotas, own: Arc::default() }
    }

    /// Follows changes at the source of the keys. Units opened after a change use the new keys.
    #[must_use]
    pub fn following(mut self, source: Arc<dyn KeySource>) -> Self {
        self.key_source = Some(source);
        self
    }

    /// Uses a pool with another login for platform and operations units. The login of `pool` then needs no right to
    /// them.
    #[must_use]
    pub fn with_platform(mut self, platform: Pool) -> Self {
        self.opener = self.opener.with_platform(platform);
        self
    }

    /// Adds replicas of the pool's database, which may serve read-only units.
    #[must_use]
    pub fn reading_from(mut self, replicas: Replicas) -> Self {
        self.opener = self.opener.reading_from(replicas);
        self
    }

    /// Reads new keys for units opened from now on, as after a rotation. If reading fails, nothing changes.
    pub fn replace_keys<E>(
        &self,
        read: impl FnOnce() -> std::result::Result<Option<Keys>, E>,
    ) -> std::result::Result<(), E> {
        // Read under the lock, so that an older read never replaces a newer one.
        let mut in_use = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        *in_use = KeysInUse::new(read()?);
        Ok(())
    }

    fn keys_in_use(&self) -> KeysInUse {
        let mut in_use = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = self.key_source.as_ref().and_then(|source| source.changed()) {
            *in_use = KeysInUse::new(Some(keys));
        }
        in_use.clone()
    }

    /// Wraps an opened unit with the current keys.
    fn unit(&self, unit: rylie_tenancy::Tx) -> Tx {
        let KeysInUse { keys, cursors } = self.keys_in_use();
        let shared_with_old_service = self.opener.pool().is_shared_with_old_service();
        let own = Arc::clone(&self.own);
        Tx::new(unit.with_cursors(cursors), UnitContext { keys, shared_with_old_service, quotas: self.quotas, own })
    }

    /// Returns the source of time and ids of the units.
    #[must_use]
    pub fn env(&self) -> Arc<dyn Env> {
        Arc::clone(self.opener.env())
    }

    /// Sets the service's own tables.
    #[must_use]
    pub fn with_own(self, own: OwnSchema) -> Self {
        Self { own: Arc::new(own), ..self }
    }

    /// Replaces the quotas.
    #[must_use]
    pub fn with_quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// Opens the reads of an audit log verification, in one read-only transaction. They are not recorded. The login
    /// must be a member of `rylie_doors` or `rylie_auditor`, or bypass row-level security: otherwise a read fails with
    /// [`Error::Database`].
    #[track_caller]
    pub fn audit_reader(&self) -> impl Future<Output = Result<AuditReader>> + Send + '_ {
        self.open_audit_reader(Location::caller())
    }

    async fn open_audit_reader(&self, at: CallSite) -> Result<AuditReader> {
        Ok(AuditReader::new(self.unit(self.opener.audit(at).await?)))
    }
}

#[async_trait]
impl Store for DatabaseStore {
    async fn open_tenant(
        &self,
        scope: &TenantScope,
        options: UnitOptions,
        at: CallSite,
    ) -> Result<Box<dyn TenantUnit>> {
        Ok(Box::new(self.unit(self.opener.tenant(scope, options, at).await?)))
    }

    async fn open_identity(&self, at: CallSite) -> Result<Box<dyn IdentityUnit>> {
        Ok(Box::new(self.unit(self.opener.identity(UnitOptions::default(), at).await?)))
    }

    async fn open_identity_to_read(&self, options: UnitOptions, at: CallSite) -> Result<Box<dyn IdentityUnit>> {
        Ok(Box::new(self.unit(self.opener.identity(options, at).await?)))
    }

    async fn find_signed_in(&self, credential: &Credential, at: CallSite) -> Result<Option<SignedInUser>> {
        if let Credential::Session(token) = credential
            && let Some(user) = self.opener.session_user(token, at).await?
        {
            return Ok(user);
        }
        let identity = self.open_identity_to_read(UnitOptions::read_only().on_primary(), at).await?;
        credential.signed_in(&*identity).await
    }

    async fn create_request(
        &self,
        scope: &TenantScope,
        new: NewRequest,
        tasks: Vec<NewTask>,
        recorded: bool,
        at: CallSite,
    ) -> Result<RequestWithTasks> {
        let unit = self.unit(self.opener.tenant(scope, UnitOptions::default().deferred(), at).await?);
        requests::add_and_commit(unit, new, tasks, recorded).await
    }

    async fn change_request_status(
        &self,
        scope: &TenantScope,
        id: &RequestId,
        status: RequestStatus,
        at: CallSite,
    ) -> Result<Request> {
        let unit = self.unit(self.opener.tenant(scope, UnitOptions::default().deferred(), at).await?);
        requests::set_status_and_commit(unit, id, status).await
    }

    fn open_tenant_of_known(&self, token: &Token, origin: &Origin, at: CallSite) -> Option<(TenantAccess, Confirmed)> {
        let (unit, confirmed) = self.opener.tenant_of_known(token, origin, at)?;
        let scope = unit.scope()?.clone();
        Some((TenantAccess::new(scope, Box::new(self.unit(unit))), confirmed))
    }

    async fn write_ga4_connection(
        &self,
        scope: &TenantScope,
        new: NewGa4Connection,
        at: CallSite,
    ) -> Result<Ga4Connection> {
        let unit = self.opener.tenant(scope, UnitOptions::default().deferred(), at).await?;
        save_ga4_and_commit(self.unit(unit), new).await
    }

    async fn write_search_console_connection(
        &self,
        scope: &TenantScope,
        new: NewSearchConsoleConnection,
        at: CallSite,
    ) -> Result<SearchConsoleConnection> {
        let unit = self.opener.tenant(scope, UnitOptions::default().deferred(), at).await?;
        save_search_console_and_commit(self.unit(unit), new).await
    }

    async fn open_tenant_of(
        &self,
        credential: &Credential,
        origin: Origin,
        options: UnitOptions,
        at: CallSite,
    ) -> Result<TenantAccess> {
        if let Credential::Session(token) = credential
            && let Some(user) = self.opener.session_user(token, at).await?
        {
            // The unit begins with its first statement: the sign-in has shown that the server answers.
            let scope = TenantScope::of(&user.ok_or(Error::NotSignedIn)?, origin);
            let unit = self.open_tenant(&scope, options.deferred(), at).await?;
            return Ok(TenantAccess::new(scope, unit));
        }
        // A session may have begun or ended since a replica's state: the primary signs in, the replica reads.
        let elsewhere = self.opener.may_use_replica(options);
        let identity = if elsewhere { UnitOptions::read_only().on_primary() } else { options };
        let identity = UnitOptions { autocommit: false, ..identity };
        let unit = self.opener.identity(identity, at).await?;
        let unit = match credential {
            Credential::Session(token) => {
                let now = unit.now();
                unit.into_tenant_of_session(token, now, origin).await?
            }
            Credential::ApiKey(key) => {
                let unit = self.unit(unit);
                let user = ApiKeySignIn::signed_in(&unit, key).await?.ok_or(Error::NotSignedIn)?;
                unit.into_inner().into_tenant_of(&user, origin).await?
            }
        };
        let scope = unit.scope().cloned().ok_or(Error::NotSignedIn)?;
        if elsewhere {
            drop(unit);
            let unit = self.open_tenant(&scope, options, at).await?;
            return Ok(TenantAccess::new(scope, unit));
        }
        Ok(TenantAccess::new(scope, Box::new(self.unit(unit))))
    }

    async fn open_platform(&self, grant: Grant, options: UnitOptions, at: CallSite) -> Result<Box<dyn PlatformUnit>> {
        Ok(Box::new(self.unit(self.opener.platform(&grant, options, at).await?)))
    }

    async fn open_operations(&self, at: CallSite) -> Result<Box<dyn OperationsUnit>> {
        Ok(Box::new(self.unit(self.opener.operations(at).await?)))
    }
}
