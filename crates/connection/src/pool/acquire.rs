//! Acquires connections and sends the first batch: it begins a unit, or is its own transaction.
//!
//! This file is long because both ways replace lost connections and explain why there is none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sea_orm::{DbBackend, QueryResult, Statement};
use sqlx::Database;

use super::{DbRole, Inner, Pool, batch, on_lender, sqlite};
use crate::bounds::is_silence;
use crate::cache::{ConnectionCache, LeasedConnection, NotLent};
use crate::error::{Error, Result};
use crate::holders::{CallSite, HolderGuard};
use crate::measures::{CONNECTION_TIMEOUTS, CONNECTION_WAIT};
use crate::server::Server;
use crate::transaction::{
    Batch, Deferred, Lessor, Replacing, Text, Transaction, quoted, refuse_unstorable, rows_of, rows_of_text,
};
use crate::unit_costs::UnitMeter;
use crate::unit_options::UnitOptions;

/// How a statement reads a tenant's rows in its own transaction.
pub enum SingleStatement {
    /// Directly, if the tenant filter is the only isolation layer.
    Plainly,
    /// Through a function that first assumes the tenant role.
    ThroughFunction,
}

/// A function that writes in its own transaction.
#[derive(Clone, Copy, Debug)]
pub enum WritingFunction {
    /// Adds a request.
    AddRequest,
    /// Saves a connection to Google.
    SaveConnection,
    /// Changes the status of a request.
    SetStatus,
}

impl Pool {
    /// Begins a transaction. Replaces a connection that died while it was idle, except on a replica, where the primary
    /// takes over.
    pub(crate) async fn begin(&self, db_role: &DbRole<'_>, options: UnitOptions, at: CallSite) -> Result<Transaction> {
        if self.is_platform_closed() && matches!(db_role, DbRole::Platform) {
            return Err(Error::NoPlatform);
        }
        let mut lost = Lost::default();
        loop {
            match self.begin_on_one(db_role, options, at).await? {
                Err(Error::ConnectionLost(fault)) if self.may_replace(&fault, fault.is_silence(), &mut lost) => {}
                done => return done,
            }
        }
    }

    /// Runs a write in a transaction of PostgreSQL, commits it, and begins the next one on its connection; one round trip.
    pub(crate) async fn begin_next(
        &self,
        transaction: Transaction,
        write: &Statement,
        db_role: &DbRole<'_>,
        options: UnitOptions,
    ) -> Result<Transaction> {
        refuse_unstorable(write.values.iter().flat_map(|values| &values.0))?;
        let write = quoted(write).ok_or(Error::Invalid { what: "the statement", reason: "no text can contain it" })?;
        let next = (self.batch(db_role, options).text(), options.statement_timeout, options.access());
        let begun = transaction.commit_and_begin(&write, next).await.map_err(Error::during_commit)?;
        self.count_opened();
        Ok(begun)
    }

    /// Leases the connection of a transaction that begins with its first statement. On SQLite and on a replica it
    /// begins now.
    pub(crate) async fn begin_deferred(
        &self,
        db_role: &DbRole<'_>,
        options: UnitOptions,
        at: CallSite,
    ) -> Result<Transaction> {
        let Inner::Postgres(cache) = &self.inner else { return self.begin(db_role, options, at).await };
        if self.server != Server::Primary {
            return self.begin(db_role, options, at).await;
        }
        let (leased, holder) = self.acquire(cache, at).await?;
        let relet = Relet { pool: self.clone(), lost: Lost::default() };
        let deferred = Deferred::new(Box::new(relet), leased, self.batch(db_role, options), options.statement_timeout);
        let transaction = Transaction::deferred(deferred, options.access(), &self.endpoint);
        Ok(self.prepared(transaction, holder, db_role, at))
    }

    /// Returns how an autocommit unit reads without a transaction, or `None` if it cannot.
    pub(crate) fn reads_single_statement(&self, options: UnitOptions) -> Option<SingleStatement> {
        self.single_statement(options, &self.functions.read)
    }

    /// Returns how a session's token is looked up without a transaction, or `None` if it cannot be.
    pub(crate) fn signs_in_by_single_statement(&self, options: UnitOptions) -> Option<SingleStatement> {
        self.single_statement(options, &self.functions.sign_in)
    }

    /// Returns whether a function can write without a transaction.
    pub(crate) fn writes_by_single_statement(&self, function: WritingFunction, options: UnitOptions) -> bool {
        let exists = match function {
            WritingFunction::AddRequest => &self.functions.add,
            WritingFunction::SaveConnection => &self.functions.save,
            WritingFunction::SetStatus => &self.functions.set_status,
        };
        matches!(self.single_statement(options, exists), Some(SingleStatement::ThroughFunction))
    }

    /// Returns whether the database keeps the numbers of requests. While the old service shares the database, what its
    /// logins write is not counted.
    #[must_use]
    pub fn keeps_request_counts(&self) -> bool {
        let counts = self.functions.count.load(Ordering::Relaxed);
        let guarded = self.engine() == DbBackend::Sqlite || self.has_row_level_security();
        counts && guarded && !self.is_shared_with_old_service()
    }

    fn single_statement(&self, options: UnitOptions, function: &AtomicBool) -> Option<SingleStatement> {
        if self.engine() == DbBackend::Sqlite {
            return Some(SingleStatement::Plainly);
        }
        // A pooler may prepare a statement on one server connection and run it on another.
        if self.options.behind_pooler || options.statement_timeout.is_some() {
            return None;
        }
        match (self.has_row_level_security(), function.load(Ordering::Relaxed)) {
            (false, _) => Some(SingleStatement::Plainly),
            (true, true) => Some(SingleStatement::ThroughFunction),
            (true, false) => None,
        }
    }

    /// Runs one read-only statement on a table in its own transaction.
    pub(crate) async fn read_single_statement(
        &self,
        table: &'static str,
        statement: &Statement,
        at: CallSite,
        meter: &UnitMeter,
    ) -> Result<Vec<QueryResult>> {
        // A silent read has already waited for the full statement limit: report it, without a retry.
        let mut lost = Lost::no_silence();
        loop {
            match self.run_on_one(table, statement.clone(), at, meter).await? {
                Err(Error::ConnectionLost(fault)) if self.may_replace(&fault, fault.is_silence(), &mut lost) => {}
                done => return done,
            }
        }
    }

    /// Runs one read-only statement on a table in its own transaction, in one text with its database role and its
    /// values. Returns `None` if a value may not stand in a text.
    pub(crate) async fn read_in_text(
        &self,
        db_role: &DbRole<'_>,
        options: UnitOptions,
        table: &'static str,
        statement: &Statement,
        at: CallSite,
        meter: &UnitMeter,
    ) -> Result<Option<Vec<QueryResult>>> {
        let holds = matches!(db_role, DbRole::Session(_));
        if !holds && let Some(SingleStatement::Plainly) = self.reads_single_statement(options) {
            return self.read_single_statement(table, statement, at, meter).await.map(Some);
        }
        let Inner::Postgres(cache) = &self.inner else { return Ok(None) };
        refuse_unstorable(statement.values.iter().flat_map(|values| &values.0))?;
        let batch = self.batch(db_role, options);
        let Some(text) = Text::of(statement, batch.prepares) else { return Ok(None) };
        let mut lost = Lost::no_silence();
        loop {
            let (leased, _holder) = self.acquire(cache, at).await?;
            let (sending, limit) = ((&batch, &text), options.statement_timeout);
            match rows_of_text(leased, table, (&statement.sql, sending, limit), &self.endpoint, meter).await {
                Err(Error::ConnectionLost(fault)) if self.may_replace(&fault, fault.is_silence(), &mut lost) => {}
                done => return done.map(Some),
            }
        }
    }

    /// Runs one statement that writes to a table in its own transaction, once.
    pub(crate) async fn write_single_statement(
        &self,
        table: &'static str,
        statement: Statement,
        at: CallSite,
        meter: &UnitMeter,
    ) -> Result<Vec<QueryResult>> {
        match self.run_on_one(table, statement, at, meter).await? {
            Err(Error::ConnectionLost(fault)) => Err(Error::OutcomeUnknown(fault)),
            done => done,
        }
    }

    /// The outer error means that no connection is available; a retry would not change that.
    async fn begin_on_one(
        &self,
        db_role: &DbRole<'_>,
        options: UnitOptions,
        at: CallSite,
    ) -> Result<Result<Transaction>> {
        let access = options.access();
        let (begun, holder) = match &self.inner {
            Inner::Postgres(cache) => {
                let (leased, holder) = self.acquire(cache, at).await?;
                let (batch, limit) = (self.batch(db_role, options), options.statement_timeout);
                let begin =
                    Transaction::begin_postgres(leased, batch.text(), limit, self.server, access, &self.endpoint);
                (begin.await, holder)
            }
            Inner::Sqlite(cache) => {
                let (leased, holder) = self.acquire(cache, at).await?;
                (Transaction::begin_sqlite(leased, sqlite::begin(access), access, &self.endpoint).await, holder)
            }
        };
        let begun = begun.map(|transaction| {
            self.count_opened();
            self.prepared(transaction, holder, db_role, at)
        });
        Ok(begun.map_err(Error::from))
    }

    fn prepared(
        &self,
        transaction: Transaction,
        holder: HolderGuard,
        db_role: &DbRole<'_>,
        at: CallSite,
    ) -> Transaction {
        let transaction = transaction.held_by(holder).metered_by(self.costs.meter(db_role.tenant(), at));
        transaction.keeping_statements(!self.options.behind_pooler).on(self.server)
    }

    /// Returns the batch that begins a unit, or precedes a statement that is its own transaction.
    fn batch(&self, db_role: &DbRole<'_>, options: UnitOptions) -> Batch {
        let (mut text, mut rows) = batch::assume(db_role, self.has_row_level_security(), self.options.behind_pooler);
        if self.server != Server::Primary {
            text.push_str(&batch::on_replica(options.after.unwrap_or_default()));
            rows += 1;
        }
        let limit = options.statement_timeout;
        text.extend(limit.map(batch::limit_statements));
        text.extend(options.idle_timeout.map(batch::limit_pauses));
        if limit.is_none() && self.options.behind_pooler && !self.options.statement_timeout.is_zero() {
            text.push_str(&batch::limit_statements_unless_lower(self.options.statement_timeout));
            rows += 1;
        }
        Batch { begin: batch::begin(options.access()), assume: text, rows, prepares: !self.options.behind_pooler }
    }

    fn count_opened(&self) {
        metrics::counter!("rylie.units.opened", "server" => self.server.label()).increment(1);
    }

    async fn run_on_one(
        &self,
        table: &'static str,
        statement: Statement,
        at: CallSite,
        meter: &UnitMeter,
    ) -> Result<Result<Vec<QueryResult>>> {
        on_lender!(self, |cache| {
            let (leased, _holder) = self.acquire(cache, at).await?;
            Ok(rows_of(leased, table, statement, &self.endpoint, meter).await)
        })
    }

    /// Returns whether another connection may retry work that had no effect on a lost one.
    ///
    /// Every idle connection may have died; after those a new one is made. A silent connection has purged the idle
    /// ones, so the second is new.
    fn may_replace(&self, fault: &dyn fmt::Display, silence: bool, lost: &mut Lost) -> bool {
        let (count, most) =
            if silence { (&mut lost.silent, 1) } else { (&mut lost.dead, self.options.max_connections) };
        let may = *count < most && self.server == Server::Primary;
        if may {
            tracing::debug!(%fault, "replacing a connection that died while it was idle");
        }
        *count += 1;
        may
    }

    pub(super) async fn acquire<DB: Database>(
        &self,
        cache: &ConnectionCache<DB>,
        at: CallSite,
    ) -> Result<(LeasedConnection<DB>, HolderGuard)> {
        let since = Instant::now();
        let leased = self.lease(cache).await?;
        metrics::histogram!(CONNECTION_WAIT, self.endpoint.labels_of_pool()).record(since.elapsed());
        Ok((leased, self.holders.hold(at)))
    }

    /// Leases a connection for work outside a unit.
    pub(super) async fn lease<DB: Database>(&self, cache: &ConnectionCache<DB>) -> Result<LeasedConnection<DB>> {
        let (since, _waiting) = (Instant::now(), self.holders.wait());
        match cache.lease().await {
            Ok(leased) => Ok(leased),
            Err(not_lent) => Err(Box::pin(self.not_lent(cache, not_lent, since)).await),
        }
    }

    /// Explains a failed lease: units hold all connections, or the server is unreachable and all callers wait for it.
    async fn not_lent<DB: Database>(&self, cache: &ConnectionCache<DB>, why: NotLent, since: Instant) -> Error {
        let network = self.engine() == DbBackend::Postgres;
        match why {
            NotLent::NotConnected(sqlx::Error::PoolTimedOut) if network => {
                Error::unreachable(cache.refusal().await.unwrap_or_else(|| Arc::new(sqlx::Error::PoolTimedOut)))
            }
            NotLent::NotConnected(sqlx::Error::PoolClosed) => {
                Error::Invalid { what: "the database", reason: "it was closed; connect again" }
            }
            NotLent::NotConnected(error) => Error::unreachable(error),
            NotLent::NoPlace => {
                let doubtful = network && (cache.is_connecting() || self.holders.is_empty());
                match if doubtful { cache.refusal().await } else { None } {
                    Some(refusal) => Error::unreachable(refusal),
                    None => self.exhausted(cache.in_use(), since),
                }
            }
        }
    }

    fn exhausted(&self, in_use: usize, since: Instant) -> Error {
        metrics::counter!(CONNECTION_TIMEOUTS, self.endpoint.labels_of_pool()).increment(1);
        let mut longest = self.holders.longest();
        longest.truncate(3);
        let waiting = self.holders.waiting().saturating_sub(1);
        Error::PoolExhausted { waited: since.elapsed(), size: self.options.max_connections, in_use, waiting, longest }
    }
}

/// The number of connections lost in one call: those with an error, and those that stopped answering.
#[derive(Default)]
struct Lost {
    dead: u32,
    silent: u32,
}

impl Lost {
    /// Counts as if one connection had been silent, so that a silent one is not replaced.
    fn no_silence() -> Self {
        Self { dead: 0, silent: 1 }
    }
}

/// Replaces connections of a unit that begins later.
struct Relet {
    pool: Pool,
    lost: Lost,
}

impl Lessor for Relet {
    fn replace<'a>(&'a mut self, error: &'a sqlx::Error, waited: bool) -> Replacing<'a> {
        Box::pin(async move {
            let silence = is_silence(error);
            if (silence && waited) || !self.pool.may_replace(error, silence, &mut self.lost) {
                return None;
            }
            match &self.pool.inner {
                Inner::Postgres(cache) => self.pool.lease(cache).await.ok(),
                Inner::Sqlite(_) => None,
            }
        })
    }

    fn begun(&self) {
        self.pool.count_opened();
    }
}
