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

mod alone;
mod held;
mod log_position;
mod observed;
mod savepoints;
mod statement;
mod storable;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};
use tokio::sync::Mutex;
use tracing::{Instrument, Span};

use crate::bounds::answered;
use crate::endpoint::Endpoint;
use crate::error::{BROKEN, READ_ONLY, SAVEPOINT_ENDED, driver_error, is_read_only_server};
use crate::holders::Holding;
use crate::lender::Lent;
use crate::server::Server;
use crate::unit_options::Access;
use held::Held;
use observed::Observed;
use savepoints::Savepoints;
use storable::parts;

pub(crate) use alone::rows_of;
pub use storable::is_unstorable;

/// An open transaction. Dropping it rolls it back without waiting.
pub struct Transaction {
    engine: DbBackend,
    server: Server,
    access: Access,
    open: Mutex<Option<Open>>,
    statements: AtomicU64,
    wrote: AtomicBool,
    /// True while a statement runs, and after one that did not succeed.
    broken: AtomicBool,
    savepoints: Savepoints,
    /// Whether statements stay prepared on the connection for reuse.
    keeps_statements: bool,
    span: Span,
    endpoint: Arc<Endpoint>,
    _holding: Option<Holding>,
}

enum Open {
    Postgres(Held<Postgres>),
    Sqlite(Held<Sqlite>),
}

/// Runs one statement that binds arrays. It breaks the transaction unless it succeeds.
macro_rules! on_arrays {
    ($self:ident, $sql:ident, $arrays:ident, |$query:ident, $conn:ident| $call:expr) => {{
        let observed = $self.note(&$sql)?;
        let mut open = $self.open.lock().await;
        $self.ready(&mut open).await?;
        $self.broken.store(true, Ordering::Relaxed);
        let Some(Open::Postgres(held)) = open.as_mut() else { return Err(query_error(sqlx::Error::WorkerCrashed)) };
        let within = held.within();
        let $conn = held.conn().map_err(query_error)?;
        let $query = sqlx::query_with(AssertSqlSafe($sql), $arrays).persistent($self.keeps_statements);
        let done = answered(within, async { $call }.instrument(observed.span.clone())).await;
        let done = $self.noted(held, done);
        observed.end(&done);
        $self.broken.store(done.is_err(), Ordering::Relaxed);
        done
    }};
}

impl Transaction {
    /// Begins on a PostgreSQL connection with `batch`, which must start with `BEGIN`; one round trip. `limit` is the
    /// time limit of each statement, if the batch sets one.
    pub(crate) async fn begin_postgres(
        lent: Lent<Postgres>,
        batch: String,
        limit: Option<Duration>,
        access: Access,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Self, sqlx::Error> {
        let held = Held::begin(lent, batch, limit).await?;
        Ok(Self::new(DbBackend::Postgres, Open::Postgres(held), access, endpoint))
    }

    /// Begins on a SQLite connection with `batch`, which must be a `BEGIN`.
    pub(crate) async fn begin_sqlite(
        lent: Lent<Sqlite>,
        batch: String,
        access: Access,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Self, sqlx::Error> {
        let held = Held::begin(lent, batch, None).await?;
        Ok(Self::new(DbBackend::Sqlite, Open::Sqlite(held), access, endpoint))
    }

    fn new(engine: DbBackend, open: Open, access: Access, endpoint: &Arc<Endpoint>) -> Self {
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
            span: observed::unit(endpoint),
            endpoint: Arc::clone(endpoint),
            _holding: None,
        }
    }

    /// Registers the transaction as the holder of its connection.
    pub(crate) fn held_by(self, holding: Holding) -> Self {
        Self { _holding: Some(holding), ..self }
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

    fn into_open(self) -> Option<Open> {
        self.open.into_inner()
    }

    /// Commits the changes. Call [`settle`](Self::settle) first, so that every error here is an error of the commit.
    pub async fn commit(self) -> Result<(), DbErr> {
        let done = match self.into_open() {
            Some(Open::Postgres(held)) => held.commit().await,
            Some(Open::Sqlite(held)) => held.commit().await,
            None => Err(sqlx::Error::WorkerCrashed),
        };
        done.map_err(query_error)
    }

    /// Creates a savepoint and returns its number.
    pub async fn savepoint(&self) -> Result<u64, DbErr> {
        let number = self.savepoints.next();
        self.control(&format!("SAVEPOINT rylie_{number}")).await?;
        self.savepoints.opened(number);
        Ok(number)
    }

    /// Releases the savepoint and keeps the changes since.
    pub async fn release(&self, number: u64) -> Result<(), DbErr> {
        self.settle().await?;
        if !self.savepoints.is_open(number) {
            return Err(DbErr::Type(SAVEPOINT_ENDED.to_owned()));
        }
        self.control(&format!("RELEASE SAVEPOINT rylie_{number}")).await?;
        self.savepoints.ended(number);
        Ok(())
    }

    /// Undoes pending savepoints. Fails if the transaction is still broken.
    pub async fn settle(&self) -> Result<(), DbErr> {
        let mut open = self.open.lock().await;
        self.ready(&mut open).await
    }

    /// Schedules the rollback to the savepoint, which runs before the next statement.
    pub fn undo(&self, number: u64) {
        self.savepoints.undo(number);
    }

    /// Runs before each statement, with the connection locked.
    async fn ready(&self, open: &mut Option<Open>) -> Result<(), DbErr> {
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

    /// Runs a statement that controls the transaction; it is not counted.
    async fn control(&self, sql: &str) -> Result<(), DbErr> {
        let mut open = self.open.lock().await;
        self.ready(&mut open).await?;
        self.broken.store(true, Ordering::Relaxed);
        self.execute(&mut open, sql).await?;
        self.broken.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a PostgreSQL statement that binds arrays. SeaORM's values cannot represent arrays with null items.
    pub async fn execute_arrays(&self, sql: String, arrays: PgArguments) -> Result<u64, DbErr> {
        on_arrays!(self, sql, arrays, |query, conn| {
            let done = query.execute(conn).await;
            done.map(|done| done.rows_affected()).map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
        })
    }

    /// Like [`execute_arrays`](Self::execute_arrays), for a statement that returns rows.
    pub async fn query_arrays(&self, sql: String, arrays: PgArguments) -> Result<Vec<QueryResult>, DbErr> {
        on_arrays!(self, sql, arrays, |query, conn| {
            let rows = query.fetch_all(conn).await;
            rows.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(query_error)
        })
    }

    /// Returns how many statements were sent, without `BEGIN` and `COMMIT`.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Returns whether anything but a `SELECT` was sent.
    pub fn wrote(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    fn note(&self, sql: &str) -> Result<Observed, DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        if !sql.starts_with("SELECT") {
            if self.access == Access::ReadOnly {
                return Err(DbErr::Type(READ_ONLY.to_owned()));
            }
            self.wrote.store(true, Ordering::Relaxed);
        }
        Ok(Observed::begin(&self.span, &self.endpoint, sql, None))
    }
}

/// Runs one sqlx call on the transaction's engine, within the time limit of the connection.
macro_rules! on_engine {
    ($self:ident, $open:expr, |$conn:ident| $call:expr) => {
        match $open.as_mut() {
            Some(Open::Postgres(held)) => {
                let within = held.within();
                let $conn = held.conn().map_err(query_error)?;
                let done = answered(within, async { $call }).await;
                $self.noted(held, done)
            }
            Some(Open::Sqlite(held)) => {
                let $conn = held.conn().map_err(query_error)?;
                $call
            }
            None => Err(query_error(sqlx::Error::WorkerCrashed)),
        }
    };
}

/// Runs one statement. It breaks the transaction unless it succeeds.
macro_rules! on_connection {
    ($self:ident, $observed:ident, |$conn:ident| $call:expr) => {{
        let mut open = $self.open.lock().await;
        $self.ready(&mut open).await?;
        $self.broken.store(true, Ordering::Relaxed);
        let done = async { on_engine!($self, open, |$conn| $call) }.instrument($observed.span.clone()).await;
        $observed.end(&done);
        $self.broken.store(done.is_err(), Ordering::Relaxed);
        done
    }};
}

impl Transaction {
    async fn execute(&self, open: &mut Option<Open>, sql: &str) -> Result<(), DbErr> {
        on_engine!(self, open, |conn| {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.map(|_| ()).map_err(query_error)
        })
    }

    /// Examines the result of a statement: the connection may be closed or unusable.
    fn noted<T>(&self, held: &mut Held<Postgres>, done: sqlx::Result<Result<T, DbErr>>) -> Result<T, DbErr> {
        let done = done.unwrap_or_else(|silence| Err(query_error(silence)));
        let Some(error) = done.as_ref().err().and_then(driver_error) else { return done };
        if self.access == Access::ReadOnly && is_read_only_server(error) {
            return Err(DbErr::Type(READ_ONLY.to_owned()));
        }
        held.note(error);
        done
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.engine
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        let observed = self.note(&stmt.sql)?;
        let (sql, values) = parts(stmt)?;
        on_connection!(self, observed, |conn| {
            let done =
                sqlx::query_with(AssertSqlSafe(sql), values).persistent(self.keeps_statements).execute(conn).await;
            done.map(Into::into).map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
        })
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let observed = self.note(sql)?;
        on_connection!(self, observed, |conn| {
            let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
            done.map(Into::into).map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
        })
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        let observed = self.note(&stmt.sql)?;
        let (sql, values) = parts(stmt)?;
        on_connection!(self, observed, |conn| {
            let row = sqlx::query_with(AssertSqlSafe(sql), values)
                .persistent(self.keeps_statements)
                .fetch_optional(conn)
                .await;
            row.map(|row| row.map(Into::into)).map_err(query_error)
        })
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let observed = self.note(&stmt.sql)?;
        let (sql, values) = parts(stmt)?;
        on_connection!(self, observed, |conn| {
            let rows =
                sqlx::query_with(AssertSqlSafe(sql), values).persistent(self.keeps_statements).fetch_all(conn).await;
            rows.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(query_error)
        })
    }
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
