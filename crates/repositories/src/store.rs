//! The three doors.

use std::sync::Arc;

use async_trait::async_trait;
use rylie_audit::{Action, Actor, Event, Origin};
use rylie_entities::Env;

use crate::audit::AuditRepository;
use crate::fence::{Fence, Tx, Who};
use crate::pool::{Access, Door, Pool};
use crate::vault::Keys;
use crate::{Grant, IdentityUnit, PlatformUnit, Result, TenantScope, TenantUnit};

/// The three doors to the data. Each opens a unit of work, which is one transaction and holds one connection:
/// open it late and close it soon.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Store: Send + Sync {
    /// A unit on the rows of one tenant that the scope reaches. One round trip.
    async fn tenant(&self, scope: &TenantScope) -> Result<Box<dyn TenantUnit>>;

    /// As [`Store::tenant`], for reading only: on SQLite such units do not wait for each other.
    async fn tenant_read_only(&self, scope: &TenantScope) -> Result<Box<dyn TenantUnit>>;

    /// A unit on identities, before a tenant is known. One round trip.
    async fn identity(&self) -> Result<Box<dyn IdentityUnit>>;

    /// A unit across tenants. Who and why is first written to the audit log, and committed there, so that the
    /// record stays also when the unit is rolled back or only reads.
    async fn platform(&self, grant: Grant) -> Result<Box<dyn PlatformUnit>>;
}

/// The store over a database. Cheap to clone.
#[derive(Clone)]
pub struct DatabaseStore {
    pool: Pool,
    env: Arc<dyn Env>,
    keys: Option<Arc<Keys>>,
}

impl DatabaseStore {
    /// A store over a pool, with the clock and the ids of `env`. Without `keys` it neither seals nor opens secrets.
    #[must_use]
    pub fn new(pool: Pool, env: Arc<dyn Env>, keys: Option<Keys>) -> Self {
        Self { pool, env, keys: keys.map(Arc::new) }
    }

    async fn open(&self, door: Door<'_>, access: Access, fence: Fence, who: Who) -> Result<Tx> {
        let transaction = self.pool.begin(&door, access).await?;
        Ok(Tx::new(transaction, fence, who, Arc::clone(&self.env), self.keys.clone()))
    }

    async fn open_tenant(&self, scope: &TenantScope, access: Access) -> Result<Tx> {
        let who = Who { actor: scope.actor(), origin: scope.origin().clone() };
        self.open(Door::Tenant(scope.tenant().as_str()), access, Fence::Tenant(scope.clone()), who).await
    }
}

#[async_trait]
impl Store for DatabaseStore {
    async fn tenant(&self, scope: &TenantScope) -> Result<Box<dyn TenantUnit>> {
        Ok(Box::new(self.open_tenant(scope, Access::ReadWrite).await?))
    }

    async fn tenant_read_only(&self, scope: &TenantScope) -> Result<Box<dyn TenantUnit>> {
        Ok(Box::new(self.open_tenant(scope, Access::ReadOnly).await?))
    }

    async fn identity(&self) -> Result<Box<dyn IdentityUnit>> {
        let who = Who { actor: Actor::Job("identity".to_owned()), origin: Origin::default() };
        Ok(Box::new(self.open(Door::Identity, Access::ReadWrite, Fence::Identity, who).await?))
    }

    async fn platform(&self, grant: Grant) -> Result<Box<dyn PlatformUnit>> {
        let who = Who { actor: grant.actor().clone(), origin: grant.origin().clone() };
        let record = self.open(Door::Platform, Access::ReadWrite, Fence::Platform, who.clone()).await?;
        AuditRepository::record(&record, Event::new(Action::PlatformAccess).because(grant.reason())).await?;
        record.commit().await?;
        Ok(Box::new(self.open(Door::Platform, Access::ReadWrite, Fence::Platform, who).await?))
    }
}
