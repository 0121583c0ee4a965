//! Opening units of work.

use std::sync::Arc;

use rylie_audit::{Action, Actor, Event, Origin};
use rylie_connection::{
    CallSite, DbRole, Pool, Replicas, Transaction, UnitOptions, auditing, begin, begin_on_replica, holds_sessions,
};
use rylie_entities::{Env, Token};
use sea_orm::DbBackend;

use crate::cursor::CursorKeys;
use crate::error::{Error, Result};
use crate::filter::{AuditSwitch, BeginLater, Caller, Tx, UnitContext, UnitKind, session_user};
use crate::grant::Grant;
use crate::known_sessions::{Confirmed, KnownSessions};
use crate::scope::{SignedInUser, TenantScope};

/// Opens the units of work of one database. Cheap to clone.
#[derive(Clone)]
pub struct Opener {
    pool: Pool,
    /// For platform and operations units, if another login serves them.
    platform: Option<Pool>,
    replicas: Option<Replicas>,
    env: Arc<dyn Env>,
    audit: Arc<AuditSwitch>,
    cursors: Arc<CursorKeys>,
    sessions: Arc<KnownSessions>,
}

impl Opener {
    /// Creates an opener for a pool, with the time and ids of `env`. Its units accept only its own cursors, unless a
    /// unit gets other keys ([`Tx::with_cursors`]).
    #[must_use]
    pub fn new(pool: Pool, env: Arc<dyn Env>) -> Self {
        let (audit, cursors, sessions) = (Arc::default(), Arc::default(), Arc::default());
        Self { pool, platform: None, replicas: None, env, audit, cursors, sessions }
    }

    /// Sets a pool with another login for platform and operations units; the login of `pool` then needs no right to
    /// them.
    #[must_use]
    pub fn with_platform(self, platform: Pool) -> Self {
        Self { platform: Some(platform), ..self }
    }

    /// Sets replicas of the pool's database that may serve read-only units.
    #[must_use]
    pub fn reading_from(self, replicas: Replicas) -> Self {
        Self { replicas: Some(replicas), ..self }
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns the source of time and ids of the units.
    #[must_use]
    pub fn env(&self) -> &Arc<dyn Env> {
        &self.env
    }

    /// Opens a unit on the rows of one tenant that the scope reaches.
    ///
    /// Fails with [`Error::Invalid`] if a unit that may write has an option for read-only units.
    pub async fn tenant(&self, scope: &TenantScope, options: UnitOptions, at: CallSite) -> Result<Tx> {
        refuse_ignored(options)?;
        let caller = Caller { actor: scope.actor(), origin: scope.origin().clone() };
        let kind = UnitKind::Tenant(scope.clone());
        if !(options.autocommit || options.deferred) {
            let db_role = DbRole::Tenant(scope.tenant().as_str());
            return self.open(db_role, options, at, kind, caller).await;
        }
        let context = self.unit_context(&self.pool);
        if let Some(transaction) = self.begin_on_replica(&kind.db_role(), options, at).await {
            return Ok(Tx::new(transaction, kind, caller, context));
        }
        let later = BeginLater::new(&self.pool, scope.tenant().as_str(), options, at);
        Ok(Tx::begun_later(later, kind, caller, context))
    }

    /// Returns the user of a session's token, or `None` if it is unknown or has expired. One round trip, on the primary.
    ///
    /// Returns an outer `None` where that is not possible: on SQLite, behind a pooler, and without the function of the
    /// migration `m20261128_000084`.
    ///
    /// Fails with [`Error::Invalid`] if the user's row has another tenant than the user's.
    pub async fn session_user(&self, token: &Token, at: CallSite) -> Result<Option<Option<SignedInUser>>> {
        let found = session_user(&self.pool, token, self.env.now().into(), at).await?;
        if let Some(session) = &found
            && holds_sessions(&self.pool)
        {
            self.sessions.found(token, session.clone());
        }
        Ok(found.map(|session| session.map(|(user, _)| user)))
    }

    /// Opens a read-only unit in autocommit for the user to whom a token belonged when it was last looked up here, or
    /// returns `None`. Each of its reads fails unless the token still belongs to this user, with the same role and
    /// tenant. No round trip.
    #[must_use]
    pub fn tenant_of_known(&self, token: &Token, origin: &Origin, at: CallSite) -> Option<(Tx, Confirmed)> {
        if !holds_sessions(&self.pool) {
            return None;
        }
        let (user, session) = self.sessions.get(token)?;
        let (scope, confirmed) = (TenantScope::of(&user, origin.clone()), session.confirmed.clone());
        let later = BeginLater::new(&self.pool, scope.tenant().as_str(), UnitOptions::autocommit(), at);
        let caller = Caller { actor: scope.actor(), origin: scope.origin().clone() };
        let context = self.unit_context(&self.pool);
        Some((Tx::begun_later(later.holding(session), UnitKind::Tenant(scope), caller, context), confirmed))
    }

    /// Opens a unit on identities, before the tenant is known.
    ///
    /// Fails with [`Error::Invalid`] for autocommit and a deferred begin, and if a unit that may write has an option
    /// for read-only units.
    pub async fn identity(&self, options: UnitOptions, at: CallSite) -> Result<Tx> {
        refuse_ignored(options)?;
        for_tenant_units(options)?;
        let caller = Caller { actor: Actor::Job("identity".to_owned()), origin: Origin::default() };
        self.open(DbRole::Identity, options, at, UnitKind::Identity, caller).await
    }

    /// Returns whether a replica may serve a unit with these options.
    #[must_use]
    pub fn may_use_replica(&self, options: UnitOptions) -> bool {
        self.replicas.is_some() && options.read_only && !options.on_primary
    }

    /// Opens a unit across tenants. First records who opens it and why, in a transaction that commits on its own. Two round
    /// trips on PostgreSQL, or four if a replica may serve the unit.
    ///
    /// Fails with [`Error::NoPlatform`] if the login serves no platform unit. Fails with [`Error::Invalid`] for
    /// autocommit and a deferred begin, and if a unit that may write has an option for read-only units.
    pub async fn platform(&self, grant: &Grant, options: UnitOptions, at: CallSite) -> Result<Tx> {
        refuse_ignored(options)?;
        for_tenant_units(options)?;
        let caller = Caller { actor: grant.actor().clone(), origin: grant.origin().clone() };
        let open = |options| self.open(DbRole::Platform, options, at, UnitKind::Platform, caller.clone());
        let (record, event) =
            (open(UnitOptions::default()).await?, Event::new(Action::PlatformAccess).because(grant.reason()));
        if record.engine() == DbBackend::Postgres && !self.may_use_replica(options) {
            return record.record_and_begin(&event, options).await;
        }
        record.record(event).await?;
        record.commit().await?;
        open(options).await
    }

    /// Opens a unit on operational tables only. Fails with [`Error::NoPlatform`] if the login serves no operations
    /// unit.
    pub async fn operations(&self, at: CallSite) -> Result<Tx> {
        let caller = Caller { actor: Actor::Job("books".to_owned()), origin: Origin::default() };
        self.open(DbRole::Platform, UnitOptions::default(), at, UnitKind::Operations, caller).await
    }

    /// Opens a read-only unit that verifies the audit log. It is not recorded, because its login may only read.
    pub async fn audit(&self, at: CallSite) -> Result<Tx> {
        let caller = Caller { actor: Actor::Job("verify-audit".to_owned()), origin: Origin::default() };
        let auditing = auditing(self.platform_pool()).await?;
        let options = UnitOptions::read_only().on_primary();
        self.open(DbRole::Audit(auditing), options, at, UnitKind::Platform, caller).await
    }

    async fn open(
        &self,
        db_role: DbRole<'_>,
        options: UnitOptions,
        at: CallSite,
        kind: UnitKind,
        caller: Caller,
    ) -> Result<Tx> {
        tracing::trace!(%at, "opening a unit");
        let pool = match db_role {
            DbRole::Platform | DbRole::Audit(_) => self.platform_pool(),
            DbRole::Tenant(_) | DbRole::Session(_) | DbRole::Identity => &self.pool,
        };
        let transaction = match self.begin_on_replica(&db_role, options, at).await {
            Some(transaction) => transaction,
            None => begin(pool, &db_role, options, at).await?,
        };
        Ok(Tx::new(transaction, kind, caller, self.unit_context(pool)))
    }

    fn platform_pool(&self) -> &Pool {
        self.platform.as_ref().unwrap_or(&self.pool)
    }

    async fn begin_on_replica(&self, db_role: &DbRole<'_>, options: UnitOptions, at: CallSite) -> Option<Transaction> {
        begin_on_replica(self.replicas.as_ref()?, db_role, options, at).await
    }

    fn unit_context(&self, pool: &Pool) -> UnitContext {
        UnitContext {
            env: Arc::clone(&self.env),
            cursors: Arc::clone(&self.cursors),
            audit: Arc::clone(&self.audit),
            pool: pool.clone(),
        }
    }
}

const OPTIONS: &str = "the options of the unit";

fn for_tenant_units(options: UnitOptions) -> Result<()> {
    if options.autocommit || options.deferred {
        return Err(Error::Invalid { what: OPTIONS, reason: "autocommit and a deferred begin are for tenant units" });
    }
    Ok(())
}

/// Fails for options that would have no effect.
fn refuse_ignored(options: UnitOptions) -> Result<()> {
    let for_reading = options.autocommit || options.after.is_some() || !options.wait_for_replica.is_zero();
    if for_reading && !options.read_only {
        let reason = "autocommit, a log position and a wait for a replica are for read-only units";
        return Err(Error::Invalid { what: OPTIONS, reason });
    }
    Ok(())
}
