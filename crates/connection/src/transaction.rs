//! One database transaction, as SeaORM's `ConnectionTrait`.
//!
//! It replaces SeaORM's own transaction for three reasons:
//!
//! - `BEGIN`, the role and the tenant travel as one batch.
//! - A caller cancelled during `BEGIN` cannot return a connection with an open transaction to the pool.
//! - Every statement passes one place, where it is counted and checked.
//!
//! A statement that fails, or whose caller is cancelled, breaks the transaction. It can then only be rolled back, as a
//! whole or to a savepoint. Otherwise PostgreSQL would answer `COMMIT` with a rollback and no error, and SQLite would
//! commit half of the work.

mod deferred;
mod in_text;
mod log_position;
mod next;
mod savepoints;
mod single_statement;
mod statement;
mod statements;
mod storable;
mod telemetry;
mod transaction_connection;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{DbBackend, DbErr};
use sqlx::{Postgres, Sqlite};
use tokio::sync::Mutex;
use tracing::Span;

use crate::cache::LeasedConnection;
use crate::endpoint::Endpoint;
use crate::error::{BROKEN, READ_ONLY, SAVEPOINT_ENDED};
use crate::holders::HolderGuard;
use crate::server::Server;
use crate::unit_costs::UnitMeter;
use crate::unit_options::Access;
use savepoints::Savepoints;
use statements::query_error;
use telemetry::Telemetry;
use transaction_connection::{TransactionConnection, end};

pub(crate) use deferred::{Batch, Deferred, Lessor, Replacing};
pub(crate) use in_text::{Text, quoted};
pub(crate) use single_statement::{rows_of, rows_of_text};
pub use storable::refuse_unstorable;

/// An open transaction. Dropping it rolls it back without waiting.
pub struct Transaction {
    engine: DbBackend,
    server: Server,
    access: Access,
    open: Mutex<Option<EngineConnection>>,
    statements: AtomicU64,
    wrote: AtomicBool,
    /// True while a statement runs, and after one that did not succeed.
    broken: AtomicBool,
    savepoints: Savepoints,
    /// Whether statements stay prepared on the connection for reuse.
    keeps_statements: bool,
    span: Span,
    endpoint: Arc<Endpoint>,
    _holder: Option<HolderGuard>,
    meter: Option<UnitMeter>,
}

enum EngineConnection {
    /// The transaction has not begun.
    Deferred(Box<Deferred>),
    Postgres(TransactionConnection<Postgres>),
    Sqlite(TransactionConnection<Sqlite>),
}

impl Transaction {
    /// Begins on a PostgreSQL connection with `batch`, which must start with `BEGIN`; one round trip. `limit` is the
    /// time limit of each statement, if the batch sets one. If a replica refuses the batch, its address may have become
    /// another server's, so the connection is closed.
    pub(crate) async fn begin_postgres(
        leased: LeasedConnection<Postgres>,
        batch: String,
        limit: Option<Duration>,
        server: Server,
        access: Access,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Self, sqlx::Error> {
        let keep = (server == Server::Primary).then_some(end as _);
        let held = TransactionConnection::begin(leased, batch, limit, keep).await?;
        Ok(Self::new(DbBackend::Postgres, EngineConnection::Postgres(held), access, endpoint))
    }

    /// Begins on a SQLite connection with `batch`, which must be a `BEGIN`.
    pub(crate) async fn begin_sqlite(
        leased: LeasedConnection<Sqlite>,
        batch: String,
        access: Access,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Self, sqlx::Error> {
        let held = TransactionConnection::begin(leased, batch, None, None).await?;
        Ok(Self::new(DbBackend::Sqlite, EngineConnection::Sqlite(held), access, endpoint))
    }

    /// Returns a transaction that begins with its first statement.
    pub(crate) fn deferred(deferred: Deferred, access: Access, endpoint: &Arc<Endpoint>) -> Self {
        Self::new(DbBackend::Postgres, EngineConnection::Deferred(Box::new(deferred)), access, endpoint)
    }

    fn new(engine: DbBackend, open: EngineConnection, access: Access, endpoint: &Arc<Endpoint>) -> Self {
        Self {
            engine,
            server: Server::Primary,
            access,
            open: Mutex::new(Some(open)),
            statements: AtomicU64::new(0),
            wrote: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            savepoints: Savepoints::default(),
            keeps_statements: true,
            span: telemetry::unit(endpoint),
            endpoint: Arc::clone(endpoint),
            _holder: None,
            meter: None,
        }
    }

    /// Registers the transaction as the holder of its connection.
    pub(crate) fn held_by(self, holder: HolderGuard) -> Self {
        Self { _holder: Some(holder), ..self }
    }

    /// Counts the statements.
    pub(crate) fn metered_by(self, meter: UnitMeter) -> Self {
        Self { meter: Some(meter), ..self }
    }

    /// Counts this transaction as one of the tenant, which became known after its begin.
    pub fn belongs_to(&self, tenant: &str) {
        if let Some(meter) = &self.meter {
            meter.belongs_to(tenant);
        }
    }

    /// Sets whether statements stay prepared. Behind a transaction-mode pooler the next unit may get another server
    /// connection, with other statements.
    pub(crate) fn keeping_statements(self, keeps_statements: bool) -> Self {
        Self { keeps_statements, ..self }
    }

    /// Records the server.
    pub(crate) fn on(self, server: Server) -> Self {
        self.span.record("rylie.server", server.label());
        Self { server, ..self }
    }

    /// Returns the server.
    pub fn server(&self) -> Server {
        self.server
    }

    fn into_open(self) -> Option<EngineConnection> {
        self.open.into_inner()
    }

    /// Commits the changes. Call [`settle`](Self::settle) first, so that every error here is an error of the commit.
    pub async fn commit(self) -> Result<(), DbErr> {
        let done = match self.into_open() {
            Some(EngineConnection::Postgres(held)) => held.commit().await,
            Some(EngineConnection::Sqlite(held)) => held.commit().await,
            Some(EngineConnection::Deferred(_)) => Ok(()),
            None => Err(sqlx::Error::WorkerCrashed),
        };
        done.map_err(query_error)
    }

    /// Rolls back. On SQLite one that may write holds the file's write lock, which is free when this returns. Elsewhere
    /// the rollback runs in the background.
    pub async fn rollback(self) {
        if self.access == Access::ReadWrite
            && let Some(EngineConnection::Sqlite(held)) = self.into_open()
        {
            held.release().await;
        }
    }

    /// Creates a savepoint and returns its number.
    pub async fn savepoint(&self) -> Result<u64, DbErr> {
        let mut open = self.open.lock().await;
        self.ready(&mut open).await?;
        // With the connection locked: numbers are in the server's order, and none ends before it is open here.
        let number = self.savepoints.next();
        self.broken.store(true, Ordering::Relaxed);
        self.execute(&mut open, &format!("SAVEPOINT rylie_{number}")).await?;
        self.savepoints.opened(number);
        self.broken.store(false, Ordering::Relaxed);
        Ok(number)
    }

    /// Releases the savepoint and keeps the changes since.
    pub async fn release(&self, number: u64) -> Result<(), DbErr> {
        let mut open = self.open.lock().await;
        self.ready(&mut open).await?;
        if !self.savepoints.is_open(number) {
            return Err(DbErr::Type(SAVEPOINT_ENDED.to_owned()));
        }
        self.broken.store(true, Ordering::Relaxed);
        // If the caller is cancelled now, the savepoint may exist or not. So it cannot be undone, only what surrounds it.
        self.savepoints.ended(number);
        self.execute(&mut open, &format!("RELEASE SAVEPOINT rylie_{number}")).await?;
        self.broken.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Undoes pending savepoints. Fails if the transaction is still broken.
    pub async fn settle(&self) -> Result<(), DbErr> {
        let mut open = self.open.lock().await;
        self.settled(&mut open).await
    }

    /// Makes the transaction fail, as a failed statement does. Only a rollback to an earlier savepoint repairs it.
    pub fn fail(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Returns whether a statement failed, and no rollback to a savepoint repaired it.
    pub fn has_failed(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Schedules the rollback to the savepoint, which runs before the next statement.
    pub fn undo(&self, number: u64) {
        self.savepoints.undo(number);
    }

    /// Runs before each statement, with the connection locked.
    async fn ready(&self, open: &mut Option<EngineConnection>) -> Result<(), DbErr> {
        self.settled(open).await?;
        if matches!(open, Some(EngineConnection::Deferred(_))) { self.begin_now(open).await } else { Ok(()) }
    }

    async fn settled(&self, open: &mut Option<EngineConnection>) -> Result<(), DbErr> {
        if let Some(number) = self.savepoints.to_undo() {
            // Repeated if the caller is cancelled, which is harmless; hence not in one batch with the next statement.
            self.execute(open, &format!("ROLLBACK TO SAVEPOINT rylie_{number}")).await?;
            self.savepoints.ended(number);
            self.broken.store(true, Ordering::Relaxed);
            self.execute(open, &format!("RELEASE SAVEPOINT rylie_{number}")).await?;
            self.broken.store(false, Ordering::Relaxed);
        }
        if self.broken.load(Ordering::Relaxed) { Err(DbErr::Type(BROKEN.to_owned())) } else { Ok(()) }
    }

    /// Returns how many statements were sent, without `BEGIN` and `COMMIT`.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Returns whether anything but a `SELECT` was sent.
    pub fn wrote(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    fn note(&self, sql: &str) -> Result<Telemetry, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let writes = !sql.starts_with("SELECT");
        // A server refuses a lock there with the code of a demoted primary.
        if self.access == Access::ReadOnly && (writes || sql.ends_with("FOR UPDATE")) {
            return Err(DbErr::Type(READ_ONLY.to_owned()));
        }
        if writes {
            self.wrote.store(true, Ordering::Relaxed);
        }
        Ok(Telemetry::begin(&self.span, &self.endpoint, sql, None, self.meter.as_ref()))
    }
}
