//! The tenant filter, the first isolation layer. The transaction is private to this module: every access to a tenant's
//! table passes here, and the tenant condition is added last.
//!
//! This file is long because the unit, its kind and its condition share private fields.

mod arrays;
mod audit_switch;
mod by_key;
mod changed_at_once;
mod columns;
mod kept_counts;
mod many;
mod owned;
mod owned_at_once;
mod owner;
mod recorded;
mod recording;
mod refusals;
mod reporting;
mod row_json;
mod rows;
mod saved_at_once;
mod savepoints;
mod sealer;
mod sign_in;
mod single_statement;
mod texts;
mod unfiltered;
mod upserts;
mod walk;
mod writes;
mod written_once;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rylie_audit::{Actor, Origin};
use rylie_connection::{DbRole, Error as ConnectionError, LogPosition, Pool, Server, Transaction};
use rylie_entities::{Env, TenantId, TenantOwned, Timestamp};
use sea_orm::{ColumnTrait, Condition, DbBackend};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::cursor::CursorKeys;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::scope::{Reach, TenantScope};
use refusals::Refusals;

pub(crate) use audit_switch::AuditSwitch;
pub use rows::Rows;
pub use saved_at_once::SavedRow;
pub use savepoints::Savepoint;
pub(crate) use sign_in::session_user;
pub(crate) use single_statement::BeginLater;
pub use unfiltered::Unfiltered;
pub use writes::Shared;

/// An open unit of work: one transaction under one database role. Every repository is implemented on it.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
pub struct Tx {
    /// Empty until a statement needs it if it begins later, and after `commit`, which consumes the unit.
    transaction: OnceCell<Transaction>,
    later: Option<BeginLater>,
    kind: UnitKind,
    caller: Caller,
    unit_context: UnitContext,
    refusals: Refusals,
    /// Whether this unit changed the setting for recording events.
    changed_settings: AtomicBool,
    /// The receiver of the progress of bulk calls.
    progress: Mutex<Progress>,
}

/// The context that a store gives to each of its units.
#[derive(Clone)]
pub(crate) struct UnitContext {
    pub(crate) env: Arc<dyn Env>,
    pub(crate) cursors: Arc<CursorKeys>,
    pub(crate) audit: Arc<AuditSwitch>,
    /// For records in their own transactions.
    pub(crate) pool: Pool,
}

/// The rows that a unit reaches.
#[derive(Clone, Debug)]
pub(crate) enum UnitKind {
    Tenant(TenantScope),
    Identity,
    Platform,
    /// Operational tables only, no tenant's rows.
    Operations,
}

/// The caller of a unit, recorded in the audit log.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    pub(crate) origin: Origin,
}

impl UnitKind {
    pub(crate) fn db_role(&self) -> DbRole<'_> {
        match self {
            Self::Tenant(scope) => DbRole::Tenant(scope.tenant().as_str()),
            Self::Identity => DbRole::Identity,
            Self::Platform | Self::Operations => DbRole::Platform,
        }
    }

    /// Returns the condition that every statement on `E` gets.
    fn condition<E: TenantOwned>(&self) -> Condition {
        let Self::Tenant(scope) = self else { return Condition::all() };
        let tenant = Condition::all().add(E::TENANT.eq(scope.tenant()));
        match scope.reach() {
            Reach::Tenant => tenant,
            Reach::Own => tenant.add(E::owned_by(scope.user().id())),
        }
    }
}

impl Tx {
    pub(crate) fn new(transaction: Transaction, kind: UnitKind, caller: Caller, unit_context: UnitContext) -> Self {
        Self::of(OnceCell::new_with(Some(transaction)), None, kind, caller, unit_context)
    }

    /// Creates a unit that begins no transaction until it needs one.
    pub(crate) fn begun_later(later: BeginLater, kind: UnitKind, caller: Caller, unit_context: UnitContext) -> Self {
        Self::of(OnceCell::new(), Some(later), kind, caller, unit_context)
    }

    fn of(
        transaction: OnceCell<Transaction>,
        later: Option<BeginLater>,
        kind: UnitKind,
        caller: Caller,
        unit_context: UnitContext,
    ) -> Self {
        let (refusals, changed_settings) = (Refusals::default(), AtomicBool::default());
        let progress = Mutex::default();
        Self { transaction, later, kind, caller, unit_context, refusals, changed_settings, progress }
    }

    /// Replaces the keys of the unit's cursors.
    #[must_use]
    pub fn with_cursors(mut self, cursors: Arc<CursorKeys>) -> Self {
        self.unit_context.cursors = cursors;
        self
    }

    /// Commits the changes. Fails with [`Error::UnitFailed`] if a statement failed before, and with
    /// [`Error::OutcomeUnknown`] if the connection breaks during the commit.
    pub async fn commit(mut self) -> Result<()> {
        let done = match self.transaction.take() {
            Some(transaction) if !transaction.wrote() => {
                transaction.rollback().await;
                Ok(())
            }
            Some(transaction) => match transaction.settle().await {
                Ok(()) => transaction.commit().await.map_err(|error| ConnectionError::during_commit(error).into()),
                Err(before) => Err(before.into()),
            },
            None => Ok(()),
        };
        self.settings_committed();
        self.refusals_recorded().await;
        done
    }

    /// Rolls the changes back, as dropping does, and without its warning.
    pub async fn rollback(mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.rollback().await;
        }
        self.refusals_recorded().await;
    }

    /// Like [`commit`](Self::commit), and returns a log position after the commit.
    pub async fn commit_with_position(mut self) -> Result<LogPosition> {
        let done = match self.transaction.take() {
            Some(transaction) if transaction.wrote() => match transaction.settle().await {
                Ok(()) => {
                    let done = transaction.commit_with_position().await;
                    done.map_err(|error| ConnectionError::during_commit_or_behind(error).into())
                }
                Err(before) => Err(before.into()),
            },
            // Without changes there is no position to wait for.
            unchanged => {
                if let Some(transaction) = unchanged {
                    transaction.rollback().await;
                }
                Ok(LogPosition::default())
            }
        };
        self.settings_committed();
        self.refusals_recorded().await;
        done
    }

    /// Records that this unit changes the setting for recording events.
    pub fn settings_changed(&self) {
        self.changed_settings.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_changed_settings(&self) -> bool {
        self.changed_settings.load(Ordering::Relaxed)
    }

    /// Runs after an error too: the commit may have taken effect.
    fn settings_committed(&self) {
        if self.has_changed_settings() {
            self.unit_context.audit.forget();
        }
    }

    async fn refusals_recorded(&self) {
        if let Some(recording) = self.record_refusals() {
            // A separate task, which continues if the caller is cancelled.
            let _ = recording.await;
        }
    }

    /// Returns the error for an action that the role does not allow. The attempt is recorded when the unit ends, by
    /// commit or rollback.
    pub fn refuse(&self, action: &'static str) -> Error {
        self.refusals.note(action);
        Error::Forbidden { action }
    }

    fn record_refusals(&self) -> Option<JoinHandle<()>> {
        // A user whom nothing has confirmed is not known to have tried it.
        if self.is_unconfirmed() {
            return None;
        }
        self.refusals.record(&self.kind, &self.caller, &self.unit_context)
    }

    /// Creates a savepoint.
    pub async fn savepoint(&self) -> Result<Savepoint<'_>> {
        Savepoint::make(self.connection().await?).await
    }

    /// Returns a log position after everything that this unit sees.
    pub async fn log_position(&self) -> Result<LogPosition> {
        Ok(self.connection().await?.log_position().await?)
    }

    /// Returns the server on which the unit works.
    pub fn server(&self) -> Server {
        self.transaction.get().map_or(Server::Primary, Transaction::server)
    }

    /// Returns how many statements were sent.
    pub fn statements(&self) -> u64 {
        let alone = self.later.as_ref().map_or(0, BeginLater::statements);
        alone + self.transaction.get().map_or(0, Transaction::statements)
    }

    /// Returns the database engine.
    pub fn engine(&self) -> DbBackend {
        self.unit_context.pool.engine()
    }

    /// Returns the source of time and ids.
    pub fn env(&self) -> &dyn Env {
        &*self.unit_context.env
    }

    pub(crate) fn unit_context(&self) -> &UnitContext {
        &self.unit_context
    }

    pub(crate) fn kind(&self) -> &UnitKind {
        &self.kind
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.unit_context.env.now().into()
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the scope of a tenant unit, or `None` for the other kinds.
    pub fn scope(&self) -> Option<&TenantScope> {
        match &self.kind {
            UnitKind::Tenant(scope) => Some(scope),
            UnitKind::Identity | UnitKind::Platform | UnitKind::Operations => None,
        }
    }

    /// Fails with [`Error::Forbidden`] in a tenant unit that reaches only its user's own rows.
    pub fn administrators_only(&self, action: &'static str) -> Result<()> {
        match self.scope() {
            Some(scope) if scope.reach() == Reach::Own => Err(self.refuse(action)),
            _ => Ok(()),
        }
    }

    /// Returns the tenant of the rows that this unit adds for `user`, who must have been read through this unit.
    pub fn tenant_or(&self, tenant: TenantId) -> TenantId {
        self.scope().map_or(tenant, |scope| scope.tenant().clone())
    }

    /// Returns the transaction. Begins it if the unit has none yet.
    pub(crate) async fn connection(&self) -> Result<&Transaction> {
        match &self.later {
            // Boxed: rarely needed, and otherwise part of the future of every statement.
            Some(later) => self.transaction.get_or_try_init(|| Box::pin(self.begin_late(later))).await,
            None => self.begun(),
        }
    }

    /// Makes the unit fail: what its last statement wrote must not be committed.
    pub(crate) fn fail(&self) -> Result<()> {
        self.begun()?.fail();
        Ok(())
    }

    /// Returns whether a statement of the unit failed.
    pub(crate) fn has_failed(&self) -> Result<bool> {
        Ok(self.begun()?.has_failed())
    }

    fn begun(&self) -> Result<&Transaction> {
        self.transaction.get().ok_or(Error::Internal { what: "the unit", reason: "it has ended" })
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        drop(self.record_refusals());
        if self.transaction.get().is_some_and(Transaction::wrote) {
            tracing::warn!(actor = self.caller.actor.to_text(), "a unit with writes was dropped and is rolled back");
        }
    }
}
