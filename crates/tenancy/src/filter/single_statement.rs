//! Single statements in units without a transaction.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use rylie_connection::{
    CallSite, DbRole, Pool, SingleStatement, Transaction, UnitMeter, UnitOptions, WritingFunction, begin,
    begin_deferred, meter, read_in_text, read_single_statement, reads_single_statement, write_single_statement,
    writes_by_single_statement,
};
use rylie_entities::Keyed;
use sea_orm::{QueryResult, Statement};

use super::rows::decoded;
use crate::error::{Error, Result};
use crate::filter::Tx;
use crate::known_sessions::Session;
use crate::scope::SignedInUser;

/// The options of a unit that begins its transaction when a statement needs it.
pub(crate) struct BeginLater {
    options: UnitOptions,
    opened_at: CallSite,
    statements: AtomicU64,
    meter: UnitMeter,
    /// The session that each transaction checks.
    session: Option<Session>,
}

impl BeginLater {
    pub(crate) fn new(pool: &Pool, tenant: &str, options: UnitOptions, opened_at: CallSite) -> Self {
        let (statements, meter) = (AtomicU64::default(), meter(pool, Some(tenant), opened_at));
        Self { options, opened_at, statements, meter, session: None }
    }

    /// Checks a session in each transaction.
    pub(crate) fn holding(self, session: Session) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Returns how many single statements were sent.
    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

/// A pending read.
type Reading<F> = Pin<Box<F>>;

impl Tx {
    pub(super) async fn begin_late(&self, later: &BeginLater) -> Result<Transaction> {
        let (pool, options, at) = (&self.unit_context.pool, later.options, later.opened_at);
        let Some((user, session)) = self.held_session() else {
            return Ok(begin_deferred(pool, &self.kind.db_role(), options, at).await?);
        };
        // At once: the unit's user is confirmed when it has begun.
        let role = DbRole::Session(session.of(user, self.now()));
        let begun = begin(pool, &role, options, at).await.map_err(Error::from);
        session.confirmed.note(&begun);
        begun
    }

    /// Returns the session that this unit checks, and its user.
    fn held_session(&self) -> Option<(&SignedInUser, &Session)> {
        Some((self.scope()?.user(), self.later.as_ref()?.session.as_ref()?))
    }

    /// Returns whether nothing has confirmed this unit's user.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.held_session().is_some_and(|(_, session)| !session.confirmed.get())
    }

    /// Returns the rows with these keys that are not soft-deleted and within this unit's reach, or `None` if reading
    /// them needs a transaction. Boxed, so that units with a transaction have no larger futures.
    pub(super) fn alone_among<E: Keyed>(
        &self,
        ids: &[impl ToString],
    ) -> Option<Reading<impl Future<Output = Result<Vec<E::Model>>> + Send>> {
        let later = self.later.as_ref().filter(|later| later.options.autocommit && later.session.is_none())?;
        if self.transaction.initialized() {
            return None;
        }
        let pool = &self.unit_context.pool;
        let statement = match reads_single_statement(pool, later.options)? {
            SingleStatement::Plainly => self.among_keys::<E>(ids),
            SingleStatement::ThroughFunction => self.through_function::<E>(E::BY_ID?, ids),
        };
        Some(Box::pin(async move {
            later.statements.fetch_add(1, Ordering::Relaxed);
            let (at, meter) = (later.opened_at, &later.meter);
            decoded::<E>(&read_single_statement(pool, E::TABLE, &statement, at, meter).await?)
        }))
    }

    /// Sends a read of one table [at once](super::Rows::at_once): in an autocommit unit as its own transaction, and else
    /// as part of the unit's.
    pub(super) async fn read_at_once(&self, table: &'static str, statement: Statement) -> Result<Vec<QueryResult>> {
        // A lock is refused where the transaction is, which knows that it is read-only.
        let reads = statement.sql.starts_with("SELECT") && !statement.sql.ends_with("FOR UPDATE");
        let later = self.later.as_ref().filter(|later| reads && later.options.autocommit);
        if let Some(later) = later.filter(|_| !self.transaction.initialized()) {
            let held = self.held_session();
            let role = held
                .map_or_else(|| self.kind.db_role(), |(user, session)| DbRole::Session(session.of(user, self.now())));
            let (pool, role) = (&self.unit_context.pool, (&role, later.options));
            let alone = read_in_text(pool, role, table, &statement, later.opened_at, &later.meter);
            let read = Box::pin(alone).await.map_err(Error::from);
            if let Some((_, session)) = held
                && !matches!(read, Ok(None))
            {
                session.confirmed.note(&read);
            }
            if let Some(rows) = read? {
                later.statements.fetch_add(1, Ordering::Relaxed);
                return Ok(rows);
            }
        }
        Ok(self.connection().await?.query_all_at_once(statement).await?)
    }

    /// Returns whether this unit can write through a function: it has not begun, and the function exists.
    pub fn writes_alone(&self, function: WritingFunction) -> bool {
        let later = self.later.as_ref().filter(|_| !self.transaction.initialized());
        later.is_some_and(|later| writes_by_single_statement(&self.unit_context.pool, function, later.options))
    }

    /// Runs one statement that writes to a table in its own transaction, and returns its rows.
    pub(super) async fn write_alone(&self, table: &'static str, statement: Statement) -> Result<Vec<QueryResult>> {
        let later = self.later.as_ref().ok_or(Error::Internal { what: "the unit", reason: "it has begun" })?;
        later.statements.fetch_add(1, Ordering::Relaxed);
        let (pool, at, meter) = (&self.unit_context.pool, later.opened_at, &later.meter);
        Ok(write_single_statement(pool, table, statement, at, meter).await?)
    }
}
