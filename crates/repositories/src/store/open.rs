//! The builder that opens a unit of work.
//!
//! This file is long because the builder and its kinds of units share private fields.

use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use rylie_audit::{Action, Event, Origin};
use rylie_entities::{Ga4Connection, Request, RequestId, RequestStatus, SearchConsoleConnection};

use super::{Credential, Store, TenantAccess};
use crate::connections::{NewGa4Connection, NewSearchConsoleConnection};
use crate::requests::{NewRequest, RequestWithTasks};
use crate::tasks::NewTask;
use crate::unit::{IdentityUnit, OperationsUnit, PlatformUnit, TenantUnit};
use crate::{CallSite, Error, Grant, LogPosition, Result, SignedInUser, TenantScope, UnitOptions};

/// Opens the units of any [`Store`], also of a `dyn Store` and of a mock.
///
/// A unit of work is one transaction and holds one connection, except
/// [in autocommit](OpenReadOnly::autocommit()). Open it late and close it soon. `Error::PoolExhausted` names the
/// lines that opened the oldest units.
///
/// ```
/// # use rylie_repositories::{LogPosition, Result, Store, StoreExt, TenantScope};
/// # async fn example(store: &dyn Store, scope: &TenantScope, position: LogPosition) -> Result<()> {
/// let writes = store.tenant(scope).await?;
/// let reads = store.tenant(scope).read_only().after(position).await?;
/// # Ok(())
/// # }
/// ```
pub trait StoreExt: Store {
    /// Opens a unit on the rows of one tenant, within the scope's reach. One round trip.
    #[track_caller]
    fn tenant<'a>(&'a self, scope: &'a TenantScope) -> OpenUnit<'a, Self, OfTenant<'a>> {
        OpenUnit::new(self, OfTenant(scope), Location::caller())
    }

    /// Opens a unit on identities, before a tenant is known. One round trip. On SQLite it waits for a writer, unless it
    /// is [read-only](OpenUnit::read_only).
    #[track_caller]
    fn identity(&self) -> OpenUnit<'_, Self, OfIdentities> {
        OpenUnit::new(self, OfIdentities, Location::caller())
    }

    /// Returns the user of a session's token or an API key, or `None` if it is unknown or has expired. For a session on
    /// PostgreSQL one round trip; for an API key and behind a pooler three. Fails as [`Store::find_signed_in`] does.
    #[track_caller]
    fn signed_in(&self, credential: impl Into<Credential>) -> SigningIn<'_> {
        let (credential, at) = (credential.into(), Location::caller());
        Box::pin(async move { self.find_signed_in(&credential, at).await })
    }

    /// Signs in by a session's token or an API key, and opens a unit on the user's tenant. [`OpenUnit::read_only`]
    /// makes it read-only: on SQLite it then waits for no writer. Fails with [`Error::NotSignedIn`] if the token is
    /// unknown or has expired, and as [`signed_in`](Self::signed_in) does.
    ///
    /// For a session on PostgreSQL, signing in is one round trip, and the unit is [deferred](OpenUnit::deferred()): two
    /// with a page of a list. For an API key and behind a pooler the unit that reads the key serves the tenant.
    ///
    /// ```
    /// # use rylie_repositories::{PageRequest, RequestFilter, Result, Store, StoreExt};
    /// # use rylie_audit::Origin;
    /// # use rylie_entities::Token;
    /// # async fn example(store: &dyn Store, token: Token) -> Result<()> {
    /// let unit = store.tenant_of(&token, Origin::default()).read_only().await?;
    /// let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Where a replica may serve the unit, the primary signs in.
    #[track_caller]
    fn tenant_of(&self, credential: impl Into<Credential>, origin: Origin) -> OpenUnit<'_, Self, OfCredential> {
        OpenUnit::new(self, OfCredential { credential: credential.into(), origin }, Location::caller())
    }

    /// Signs in, and reads in a unit [in autocommit](OpenReadOnly::autocommit()) of the user's tenant, on the primary.
    ///
    /// On PostgreSQL, a session that this process has looked up before takes no separate round trip: a page of a list
    /// is then one round trip instead of two. The unit begins for the user whom the session had. Each read checks in its
    /// transaction that the session has not expired or ended, and that user, role and tenant are the same. If no read
    /// shows that, `work` runs again after a lookup, so it should only read. An error of `work` is returned only for a
    /// confirmed user.
    ///
    /// For an API key, on SQLite, behind a pooler and without the migration `m20261128_000084` it signs in first, as
    /// [`tenant_of`](Self::tenant_of) does.
    ///
    /// Fails with [`Error::NotSignedIn`] if the token is unknown or has expired, and as `work` does. The server shows the
    /// SHA-256 of the token to its administrators, not the token.
    ///
    /// ```
    /// # use rylie_repositories::{Error, Page, PageRequest, RequestFilter, Result, Store, StoreExt};
    /// # use rylie_audit::Origin;
    /// # use rylie_entities::{Request, Token};
    /// # async fn example(store: &dyn Store, token: Token) -> Result<Page<Request>> {
    /// store
    ///     .read_as(&token, Origin::default(), |unit| async move {
    ///         unit.requests().list(RequestFilter::default(), PageRequest::default()).await
    ///     })
    ///     .await
    /// # }
    /// ```
    #[track_caller]
    fn read_as<'a, T, E, F, Fut>(
        &'a self,
        credential: impl Into<Credential>,
        origin: Origin,
        work: F,
    ) -> ReadingAs<'a, T, E>
    where
        F: Fn(TenantAccess) -> Fut + Send + Sync + 'a,
        Fut: Future<Output = std::result::Result<T, E>> + Send,
        T: Send,
        E: From<Error> + Send,
    {
        let (credential, at) = (credential.into(), Location::caller());
        Box::pin(async move {
            if let Credential::Session(token) = &credential
                && let Some((access, confirmed)) = self.open_tenant_of_known(token, &origin, at)
            {
                let done = work(access).await;
                if confirmed.get() {
                    return done;
                }
            }
            let options = UnitOptions::autocommit().on_primary();
            work(self.open_tenant_of(&credential, origin, options, at).await?).await
        })
    }

    /// Creates a request and its tasks in a tenant unit of its own, and commits it. On PostgreSQL one round trip, where
    /// a unit takes three, or four with the record. Behind a pooler it takes those of a unit.
    ///
    /// Fails as `add_with_tasks` and `commit` do. If the connection breaks, the request is added again with the same
    /// id. So it is added once, unless this fails with [`Error::OutcomeUnknown`]. A caller that is cancelled does not
    /// learn the outcome.
    ///
    /// ```
    /// # use rylie_repositories::{NewRequest, NewTask, Result, Store, StoreExt, TenantScope};
    /// # use rylie_entities::{RequestKind, TaskType};
    /// # async fn example(store: &dyn Store, scope: &TenantScope) -> Result<()> {
    /// let new = NewRequest::new("A page about us", RequestKind::Page);
    /// let tasks = vec![NewTask::new("Write it", TaskType::Page)];
    /// let made = store.add_request(scope, new, tasks).recorded().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn add_request<'a>(&'a self, scope: &'a TenantScope, new: NewRequest, tasks: Vec<NewTask>) -> AddRequest<'a, Self> {
        AddRequest { store: self, scope, new, tasks, recorded: false, opened_at: Location::caller() }
    }

    /// Changes the status of a request in a separate tenant unit, records `REQUEST_STATUS_CHANGED`, and commits. Returns
    /// the request as stored. A status that the request has is neither written nor recorded. On PostgreSQL with
    /// row-level security one round trip. Behind a pooler, and without the function of the migration, it takes the three
    /// of a unit.
    ///
    /// Fails as [`set_status`](crate::RequestRepository::set_status) and `commit` do. If the connection breaks during the
    /// one round trip, the call is sent again with the same record. So a recorded change is made once, unless this fails
    /// with [`Error::OutcomeUnknown`]. An attempt leaves no record if it changed nothing, or if the platform's settings
    /// say so. Its repetition may overwrite a later change of another caller. A caller that is cancelled does not learn
    /// the outcome.
    #[track_caller]
    fn set_request_status<'a>(
        &'a self,
        scope: &'a TenantScope,
        id: &'a RequestId,
        status: RequestStatus,
    ) -> SettingStatus<'a> {
        self.change_request_status(scope, id, status, Location::caller())
    }

    /// Saves a user's connection to Google Analytics 4 in a separate tenant unit, records it, and commits. Returns the
    /// row as stored. On PostgreSQL one round trip, where a unit takes three. A row that another program added has
    /// another id, which the tokens are sealed for in a second round trip. Behind a pooler it takes those of a unit.
    ///
    /// Fails as [`save`](crate::Ga4ConnectionRepository::save) and `commit` do. If the connection breaks, the row is
    /// saved again with the same record. So it is recorded once, unless this fails with [`Error::OutcomeUnknown`]. A
    /// caller that is cancelled does not learn the outcome.
    ///
    /// [`open`](crate::Ga4ConnectionRepository::open) opens the tokens of the row, without a statement for the caller's
    /// own:
    ///
    /// ```
    /// # use rylie_crypto::Secret;
    /// # use rylie_repositories::{NewGa4Connection, Result, Store, StoreExt, TenantScope};
    /// # async fn example(store: &dyn Store, scope: &TenantScope) -> Result<()> {
    /// let saved = store.save_ga4_connection(scope, NewGa4Connection::new(Secret::from("ya29.…"))).await?;
    /// let tokens = store.tenant(scope).deferred().await?.ga4_connections().open(&saved).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn save_ga4_connection<'a>(
        &'a self,
        scope: &'a TenantScope,
        new: NewGa4Connection,
    ) -> SavingConnection<'a, Ga4Connection> {
        self.write_ga4_connection(scope, new, Location::caller())
    }

    /// Does the same with a connection to Google Search Console; see [`save_ga4_connection`](Self::save_ga4_connection).
    #[track_caller]
    fn save_search_console_connection<'a>(
        &'a self,
        scope: &'a TenantScope,
        new: NewSearchConsoleConnection,
    ) -> SavingConnection<'a, SearchConsoleConnection> {
        self.write_search_console_connection(scope, new, Location::caller())
    }

    /// Opens a unit across tenants. The grant is first written to the audit log in a separate transaction. The record
    /// stays even if the unit rolls back or only reads. Four round trips. Fails with [`Error::NoPlatform`] if the login
    /// serves no platform unit.
    #[track_caller]
    fn platform(&self, grant: Grant) -> OpenUnit<'_, Self, OfPlatform> {
        OpenUnit::new(self, OfPlatform(grant), Location::caller())
    }

    /// As [`platform`](Self::platform), with a grant of a user. Fails with [`Error::Forbidden`] unless the user is a
    /// super admin. A refusal is recorded in the log of the user's tenant. Fails with [`Error::Invalid`] without a
    /// reason.
    #[track_caller]
    fn platform_for<'a>(
        &'a self,
        user: &'a SignedInUser,
        reason: &'a str,
        origin: Origin,
    ) -> OpenUnit<'a, Self, OfSuperAdmin<'a>> {
        OpenUnit::new(self, OfSuperAdmin { user, reason, origin }, Location::caller())
    }

    /// Opens a unit on operational tables: job runs, sizes, alerts. One round trip. Nothing is recorded, because the
    /// unit reaches no tenant's row. Fails with [`Error::NoPlatform`] if the login serves no operations unit.
    #[track_caller]
    fn operations(&self) -> OpenUnit<'_, Self, OfOperations> {
        OpenUnit::new(self, OfOperations, Location::caller())
    }
}

impl<S: Store + ?Sized> StoreExt for S {}

/// A unit that may write and is not open yet. `.await` opens it.
#[must_use = "the unit opens when this is awaited"]
#[derive(Debug)]
pub struct OpenUnit<'a, S: ?Sized, K> {
    store: &'a S,
    kind: K,
    options: UnitOptions,
    opened_at: CallSite,
}

impl<'a, S: ?Sized, K> OpenUnit<'a, S, K> {
    fn new(store: &'a S, kind: K, opened_at: CallSite) -> Self {
        Self { store, kind, options: UnitOptions::default(), opened_at }
    }
}

impl<'a, S: ?Sized, K: Configurable> OpenUnit<'a, S, K> {
    /// Makes the unit read-only: writes are refused, and every statement sees the same snapshot of the database. On
    /// SQLite such units do not wait for each other. If replicas are configured, the unit may read somewhat older data
    /// from one: see [`after`](OpenReadOnly::after()) and [`on_primary`](OpenReadOnly::on_primary()).
    pub fn read_only(self) -> OpenReadOnly<'a, S, K> {
        OpenReadOnly(Self { options: UnitOptions { read_only: true, ..self.options }, ..self })
    }

    /// Sets the time limit of each statement, instead of the pool's limit. A statement that takes longer fails with
    /// [`Error::Timeout`]. PostgreSQL only: SQLite has no such limit.
    pub fn statement_timeout(self, limit: Duration) -> Self {
        Self { options: self.options.statement_timeout(limit), ..self }
    }
}

impl<'a, S: Store + ?Sized, K: Openable<'a>> IntoFuture for OpenUnit<'a, S, K> {
    type Output = Result<Box<K::Unit>>;
    type IntoFuture = Opening<'a, K::Unit>;

    fn into_future(self) -> Self::IntoFuture {
        self.kind.open(self.store, self.options, self.opened_at)
    }
}

impl<'a, S: ?Sized> OpenUnit<'a, S, OfTenant<'a>> {
    /// Begins with the first statement, in the same round trip where it binds only ids, labels, numbers and times: a
    /// change of a status is then two round trips with the commit. See [`UnitOptions::deferred()`] for the conditions.
    pub fn deferred(self) -> Self {
        Self { options: self.options.deferred(), ..self }
    }
}

/// A read-only unit that is not open yet. `.await` opens it.
#[must_use = "the unit opens when this is awaited"]
#[derive(Debug)]
pub struct OpenReadOnly<'a, S: ?Sized, K>(OpenUnit<'a, S, K>);

impl<S: ?Sized, K> OpenReadOnly<'_, S, K> {
    /// Reads everything that was committed before this position, which a unit's `commit_with_position` or
    /// `log_position` returned. Only a replica that has replayed the position may serve the unit.
    pub fn after(self, position: LogPosition) -> Self {
        self.with(|options| options.after(position))
    }

    /// Waits up to this long for a replica that has replayed the position. Then the primary serves the unit. By default
    /// the unit does not wait.
    pub fn wait_for_replica(self, limit: Duration) -> Self {
        self.with(|options| options.wait_for_replica(limit))
    }

    /// Reads the latest data, from the primary.
    pub fn on_primary(self) -> Self {
        self.with(UnitOptions::on_primary)
    }

    /// Sets the time limit of each statement, as [`OpenUnit::statement_timeout`] does.
    pub fn statement_timeout(self, limit: Duration) -> Self {
        self.with(|options| options.statement_timeout(limit))
    }

    fn with(self, change: impl FnOnce(UnitOptions) -> UnitOptions) -> Self {
        Self(OpenUnit { options: change(self.0.options), ..self.0 })
    }
}

impl<S: ?Sized, K: OfOneTenant> OpenReadOnly<'_, S, K> {
    /// Reads rows by id and pages of lists without a transaction, one round trip each. Two reads may see different
    /// states. See [`UnitOptions::autocommit()`] for the reads that begin a transaction.
    pub fn autocommit(self) -> Self {
        self.with(|options| UnitOptions { autocommit: true, ..options })
    }
}

impl<S: ?Sized> OpenReadOnly<'_, S, OfTenant<'_>> {
    /// Begins with the first statement; see [`OpenUnit::deferred()`]. All reads see one state, that of the first.
    pub fn deferred(self) -> Self {
        self.with(UnitOptions::deferred)
    }
}

impl<'a, S: Store + ?Sized, K: Openable<'a>> IntoFuture for OpenReadOnly<'a, S, K> {
    type Output = Result<Box<K::Unit>>;
    type IntoFuture = Opening<'a, K::Unit>;

    fn into_future(self) -> Self::IntoFuture {
        self.0.into_future()
    }
}

/// The future of [`StoreExt::read_as`].
pub type ReadingAs<'a, T, E> = Pin<Box<dyn Future<Output = std::result::Result<T, E>> + Send + 'a>>;

/// The future of [`StoreExt::signed_in`].
pub type SigningIn<'a> = Pin<Box<dyn Future<Output = Result<Option<SignedInUser>>> + Send + 'a>>;

/// The future of [`StoreExt::save_ga4_connection`], which returns the saved row.
pub type SavingConnection<'a, R> = Pin<Box<dyn Future<Output = Result<R>> + Send + 'a>>;

/// The future of [`StoreExt::set_request_status`], which returns the request.
pub type SettingStatus<'a> = Pin<Box<dyn Future<Output = Result<Request>> + Send + 'a>>;

/// A request that is not created yet. `.await` creates it.
#[must_use = "the request is created when this is awaited"]
#[derive(Debug)]
pub struct AddRequest<'a, S: ?Sized> {
    store: &'a S,
    scope: &'a TenantScope,
    new: NewRequest,
    tasks: Vec<NewTask>,
    recorded: bool,
    opened_at: CallSite,
}

impl<S: ?Sized> AddRequest<'_, S> {
    /// Records `REQUEST_CREATED` with it. As every ordinary event, it is not recorded while the platform's settings say
    /// so.
    pub fn recorded(self) -> Self {
        Self { recorded: true, ..self }
    }
}

impl<'a, S: Store + ?Sized> IntoFuture for AddRequest<'a, S> {
    type Output = Result<RequestWithTasks>;
    type IntoFuture = AddingRequest<'a>;

    fn into_future(self) -> Self::IntoFuture {
        self.store.create_request(self.scope, self.new, self.tasks, self.recorded, self.opened_at)
    }
}

/// The future of [`AddRequest`].
pub type AddingRequest<'a> = Pin<Box<dyn Future<Output = Result<RequestWithTasks>> + Send + 'a>>;

/// The future that opens a unit.
pub type Opening<'a, U> = Pin<Box<dyn Future<Output = Result<Box<U>>> + Send + 'a>>;

/// A kind of unit, with the parameters for opening it. [`StoreExt`] returns the kinds.
pub trait Openable<'a>: sealed::Sealed {
    /// The unit.
    type Unit: ?Sized;

    /// Opens the unit.
    fn open<S: Store + ?Sized>(self, store: &'a S, options: UnitOptions, at: CallSite) -> Opening<'a, Self::Unit>;
}

/// A kind of unit that has options.
pub trait Configurable: sealed::Sealed {}

/// A kind of unit on one tenant's rows.
pub trait OfOneTenant: Configurable {}

impl OfOneTenant for OfTenant<'_> {}

impl OfOneTenant for OfCredential {}

/// A tenant unit.
#[derive(Debug)]
pub struct OfTenant<'a>(&'a TenantScope);

impl Configurable for OfTenant<'_> {}

impl<'a> Openable<'a> for OfTenant<'a> {
    type Unit = dyn TenantUnit;

    fn open<S: Store + ?Sized>(self, store: &'a S, options: UnitOptions, at: CallSite) -> Opening<'a, Self::Unit> {
        store.open_tenant(self.0, options, at)
    }
}

/// The tenant unit of a user who signs in.
#[derive(Debug)]
pub struct OfCredential {
    credential: Credential,
    origin: Origin,
}

impl Configurable for OfCredential {}

impl<'a> Openable<'a> for OfCredential {
    type Unit = TenantAccess;

    fn open<S: Store + ?Sized>(self, store: &'a S, options: UnitOptions, at: CallSite) -> Opening<'a, Self::Unit> {
        Box::pin(async move { store.open_tenant_of(&self.credential, self.origin, options, at).await.map(Box::new) })
    }
}

/// An identity unit.
#[derive(Debug)]
pub struct OfIdentities;

impl Configurable for OfIdentities {}

impl<'a> Openable<'a> for OfIdentities {
    type Unit = dyn IdentityUnit;

    fn open<S: Store + ?Sized>(self, store: &'a S, options: UnitOptions, at: CallSite) -> Opening<'a, Self::Unit> {
        if options == UnitOptions::default() {
            store.open_identity(at)
        } else {
            store.open_identity_to_read(options, at)
        }
    }
}

/// A platform unit.
#[derive(Debug)]
pub struct OfPlatform(Grant);

impl Configurable for OfPlatform {}

impl<'a> Openable<'a> for OfPlatform {
    type Unit = dyn PlatformUnit;

    fn open<S: Store + ?Sized>(self, store: &'a S, options: UnitOptions, at: CallSite) -> Opening<'a, Self::Unit> {
        store.open_platform(self.0, options, at)
    }
}

/// A platform unit of a super admin.
#[derive(Debug)]
pub struct OfSuperAdmin<'a> {
    user: &'a SignedInUser,
    reason: &'a str,
    origin: Origin,
}

impl Configurable for OfSuperAdmin<'_> {}

impl<'a> Openable<'a> for OfSuperAdmin<'a> {
    type Unit = dyn PlatformUnit;

    fn open<S: Store + ?Sized>(self, store: &'a S, options: UnitOptions, at: CallSite) -> Opening<'a, Self::Unit> {
        let Self { user, reason, origin } = self;
        Box::pin(async move {
            match Grant::of(user, reason, origin.clone()) {
                Ok(grant) => store.open_platform(grant, options, at).await,
                Err(Error::Forbidden { action }) => {
                    let unit = store.open_tenant(&TenantScope::of(user, origin), UnitOptions::default(), at).await?;
                    unit.audit().record(Event::new(Action::AccessRefused).with("attempted", action)).await?;
                    unit.commit().await?;
                    Err(Error::Forbidden { action })
                }
                Err(error) => Err(error),
            }
        })
    }
}

/// A unit on the operational tables.
#[derive(Debug)]
pub struct OfOperations;

impl<'a> Openable<'a> for OfOperations {
    type Unit = dyn OperationsUnit;

    fn open<S: Store + ?Sized>(self, store: &'a S, _: UnitOptions, at: CallSite) -> Opening<'a, Self::Unit> {
        store.open_operations(at)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OfTenant<'_> {}
    impl Sealed for super::OfCredential {}
    impl Sealed for super::OfIdentities {}
    impl Sealed for super::OfPlatform {}
    impl Sealed for super::OfSuperAdmin<'_> {}
    impl Sealed for super::OfOperations {}
}
