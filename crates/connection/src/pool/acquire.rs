//! Acquires connections and sends the first batch: it begins a unit, or reads in its own transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sea_orm::{DbBackend, QueryResult, Statement};
use sqlx::Database;

use super::{AuditingRole, DbRole, Inner, Pool, on_lender, postgres, sqlite};
use crate::cache::{ConnectionCache, LeasedConnection, NotLent};
use crate::error::{Error, Fault, Result};
use crate::holders::{CallSite, HolderGuard};
use crate::measures::{CONNECTION_TIMEOUTS, CONNECTION_WAIT};
use crate::server::Server;
use crate::transaction::{Transaction, rows_of};
use crate::unit_costs::UnitMeter;
use crate::unit_options::UnitOptions;

/// How a statement reads a tenant's rows in its own transaction.
pub enum SingleStatement {
    /// Directly, if the tenant filter is the only isolation layer.
    Plainly,
    /// Through a function that first assumes the tenant role.
    ThroughFunction,
}

impl Pool {
    /// Begins a transaction. Replaces a connection that died while it was idle, except on a replica, where the primary
    /// takes over.
    pub(crate) async fn begin(&self, db_role: &DbRole<'_>, options: UnitOptions, at: CallSite) -> Result<Transaction> {
        if self.is_platform_closed() && matches!(db_role, DbRole::Platform | DbRole::Audit(AuditingRole::Platform)) {
            return Err(Error::NoPlatform);
        }
        let mut lost = Lost::default();
        loop {
            match self.begin_on_one(db_role, options, at).await? {
                Err(Error::ConnectionLost(fault)) if self.may_replace(&fault, &mut lost) => {}
                done => return done,
            }
        }
    }

    /// Returns how an autocommit unit reads without a transaction, or `None` if it cannot.
    pub(crate) fn reads_single_statement(&self, options: UnitOptions) -> Option<SingleStatement> {
        if self.engine() == DbBackend::Sqlite {
            return Some(SingleStatement::Plainly);
        }
        // A pooler may prepare a statement on one server connection and run it on another.
        if self.options.behind_pooler || options.statement_timeout.is_some() {
            return None;
        }
        match (self.has_row_level_security(), self.reads_through_functions.load(Ordering::Relaxed)) {
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
        let mut lost = Lost { dead: 0, silent: 1 };
        loop {
            match self.read_on_one(table, statement.clone(), at, meter).await? {
                Err(Error::ConnectionLost(fault)) if self.may_replace(&fault, &mut lost) => {}
                done => return done,
            }
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
                let mut batch =
                    postgres::begin(db_role, access, self.has_row_level_security(), self.options.behind_pooler);
                if self.server != Server::Primary {
                    batch.push_str(&postgres::on_replica(options.after.unwrap_or_default()));
                }
                let limit = options.statement_timeout;
                batch.extend(limit.map(postgres::limit_statements));
                if limit.is_none() && self.options.behind_pooler && !self.options.statement_timeout.is_zero() {
                    batch.push_str(&postgres::limit_statements_unless_lower(self.options.statement_timeout));
                }
                (Transaction::begin_postgres(leased, batch, limit, access, &self.endpoint).await, holder)
            }
            Inner::Sqlite(cache) => {
                let (leased, holder) = self.acquire(cache, at).await?;
                (Transaction::begin_sqlite(leased, sqlite::begin(access), access, &self.endpoint).await, holder)
            }
        };
        let begun = begun.map(|transaction| {
            metrics::counter!("rylie.units.opened", "server" => self.server.label()).increment(1);
            let tenant = if let DbRole::Tenant(tenant) = db_role { Some(*tenant) } else { None };
            let transaction = transaction.held_by(holder).metered_by(self.costs.meter(tenant, at));
            transaction.keeping_statements(!self.options.behind_pooler).on(self.server)
        });
        Ok(begun.map_err(Error::from))
    }

    async fn read_on_one(
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
    fn may_replace(&self, fault: &Fault, lost: &mut Lost) -> bool {
        let (count, most) =
            if fault.is_silence() { (&mut lost.silent, 1) } else { (&mut lost.dead, self.options.max_connections) };
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
