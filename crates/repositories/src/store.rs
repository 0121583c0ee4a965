//! The three doors.

mod open;

use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rylie_entities::Env;
use rylie_tenancy::{CallSite, CursorKeys, Opener};

use crate::audit::AuditReader;
use crate::secrets::Keys;
use crate::tx::{Surroundings, Tx};
use crate::unit::{BooksUnit, IdentityUnit, PlatformUnit, TenantUnit};
use crate::usage::Quotas;
use crate::{Grant, Pool, Replicas, Result, TenantScope, UnitOptions};

pub use open::{
    Configurable, OfIdentities, OfOperations, OfPlatform, OfSuperAdmin, OfTenant, OpenReadOnly, OpenUnit, Openable,
    Opening, StoreExt,
};

/// Opens units of work: the methods that a store implements. Callers use those of [`StoreExt`], which choose the options
/// and note the calling line.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Store: Send + Sync {
    /// A unit on the rows of one tenant that the scope reaches.
    async fn open_tenant(
        &self,
        scope: &TenantScope,
        options: UnitOptions,
        opened_at: &'static Location<'static>,
    ) -> Result<Box<dyn TenantUnit>>;

    /// A unit on identities.
    async fn open_identity(&self, opened_at: &'static Location<'static>) -> Result<Box<dyn IdentityUnit>>;

    /// A unit across tenants; the grant is recorded before it opens.
    async fn open_platform(
        &self,
        grant: Grant,
        options: UnitOptions,
        opened_at: &'static Location<'static>,
    ) -> Result<Box<dyn PlatformUnit>>;

    /// A unit on the platform's own books.
    async fn open_books(&self, opened_at: &'static Location<'static>) -> Result<Box<dyn BooksUnit>>;
}

/// The store over a database. Cheap to clone.
#[derive(Clone)]
pub struct DatabaseStore {
    opener: Opener,
    /// Exchanged as a whole; a unit keeps those with which it was opened.
    keys: Arc<Mutex<KeysInUse>>,
    key_source: Option<Arc<dyn KeySource>>,
    quotas: Quotas,
}

/// Where a store's keys are kept, so that it notices when they are changed there.
pub trait KeySource: Send + Sync {
    /// The keys as they are now, if they changed since this was last asked. Asked whenever a unit opens, one caller at a
    /// time, so it must be cheap while nothing did.
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
    /// A store over a pool, with the clock and the ids of `env`. Without `keys` it neither seals nor opens secrets, and
    /// its cursors are good for this store alone: processes that serve the same lists need a keyring in common.
    #[must_use]
    pub fn new(pool: Pool, env: Arc<dyn Env>, keys: Option<Keys>) -> Self {
        let keys = Arc::new(Mutex::new(KeysInUse::new(keys)));
        Self { opener: Opener::new(pool, env), keys, key_source: None, quotas: Quotas::default() }
    }

    /// The same, with an eye on where its keys are kept: units opened after a change there work with the new ones.
    #[must_use]
    pub fn following(mut self, source: Arc<dyn KeySource>) -> Self {
        self.key_source = Some(source);
        self
    }

    /// The same, with a pool of another login for platform units and the books: that of `pool` need not be allowed them.
    #[must_use]
    pub fn with_platform(mut self, platform: Pool) -> Self {
        self.opener = self.opener.with_platform(platform);
        self
    }

    /// The same, with replicas of the pool's database that may serve read-only units.
    #[must_use]
    pub fn reading_from(mut self, replicas: Replicas) -> Self {
        self.opener = self.opener.reading_from(replicas);
        self
    }

    /// Units opened from now on work with the keys that are read here, as after a rotation. If reading fails, nothing
    /// changes.
    pub fn replace_keys<E>(
        &self,
        read: impl FnOnce() -> std::result::Result<Option<Keys>, E>,
    ) -> std::result::Result<(), E> {
        // Read under the lock, so that what was read earlier never takes the place of what was read later.
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

    /// A unit that was opened, with the keys as they are now.
    fn unit(&self, unit: rylie_tenancy::Tx) -> Tx {
        let KeysInUse { keys, cursors } = self.keys_in_use();
        let shared_with_old_service = self.opener.pool().is_shared_with_old_service();
        Tx::new(unit.with_cursors(cursors), Surroundings { keys, shared_with_old_service, quotas: self.quotas })
    }

    /// The clock and the ids of the units.
    #[must_use]
    pub fn env(&self) -> Arc<dyn Env> {
        Arc::clone(self.opener.env())
    }

    /// The same with other quotas.
    #[must_use]
    pub fn with_quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// What a verification of the audit log reads, over one read-only transaction. It is not recorded, as it takes a login
    /// that may only read: a member of `rylie_doors` or of `rylie_auditor`, or one that row-level security does not bind.
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
        Ok(Box::new(self.unit(self.opener.identity(at).await?)))
    }

    async fn open_platform(&self, grant: Grant, options: UnitOptions, at: CallSite) -> Result<Box<dyn PlatformUnit>> {
        Ok(Box::new(self.unit(self.opener.platform(&grant, options, at).await?)))
    }

    async fn open_books(&self, at: CallSite) -> Result<Box<dyn BooksUnit>> {
        Ok(Box::new(self.unit(self.opener.books(at).await?)))
    }
}
