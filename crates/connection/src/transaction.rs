//! One database transaction, as SeaORM's `ConnectionTrait`.
//!
//! The transaction is ours and not SeaORM's for three reasons: `BEGIN`, the role and the tenant travel as one batch;
//! a caller that is cancelled during `BEGIN` cannot put a connection inside an open transaction back into
//! the pool; and every statement passes one place, where it is counted and checked.
//!
//! A statement that fails, or whose caller is cancelled, breaks the transaction: it can then only be rolled back, as a
//! whole or to a savepoint. PostgreSQL would answer its `COMMIT` with a rollback and no error, and SQLite would
//! commit the half that was done.

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

/// A transaction under way. Dropped, it is rolled back without waiting.
pub struct Transaction {
    engine: DbBackend,
    server: Server,
    access: Access,
    open: Mutex<Option<Open>>,
    statements: AtomicU64,
    wrote: AtomicBool,
    /// While a statement is under way, and after one that did not succeed.
    broken: AtomicBool,
    savepoints: Savepoints,
    /// Whether statements stay prepared on the connection, to be used again.
    keeps_statements: bool,
    span: Span,
    endpoint: Arc<Endpoint>,
    _holding: Option<Holding>,
}

enum Open {
    Postgres(Held<Postgres>),
    Sqlite(Held<Sqlite>),
}

impl Transaction {
    /// Begins on a PostgreSQL connection with `batch`, which must start with `BEGIN`; one round trip. `limit` is the time
    /// limit of each statement, if the batch sets one.
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

    /// Remembers, for as long as the transaction lasts, that it holds a connection.
    pub(crate) fn held_by(self, holding: Holding) -> Self {
        Self { _holding: Some(holding), ..self }
    }

    /// Behind a transaction-mode pooler the next unit may meet another server connection, with other statements.
    pub(crate) fn keeping_statements(self, keeps_statements: bool) -> Self {
        Self { keeps_statements, ..self }
    }

    /// Remembers on which server it is.
    pub(crate) fn on(self, server: Server) -> Self {
        self.span.record("rylie.server", server.label());
        Self { server, ..self }
    }

    /// Which server it is on.
    pub fn server(&self) -> Server {
        self.server
    }

    fn into_open(self) -> Option<Open> {
        self.open.into_inner()
    }

    /// Makes what was done durable. To be called once what is to be undone [is](Self::settle): whatever fails here, fails
    /// during the commit.
    pub async fn commit(self) -> Result<(), DbErr> {
        let done = match self.into_open() {
            Some(Open::Postgres(held)) => held.commit().await,
            Some(Open::Sqlite(held)) => held.commit().await,
            None => Err(sqlx::Error::WorkerCrashed),
        };
        done.map_err(query_error)
    }

    /// Begins a part that can be undone alone; its number.
    pub async fn savepoint(&self) -> Result<u64, DbErr> {
        let number = self.savepoints.next();
        self.control(&format!("SAVEPOINT rylie_{number}")).await?;
        self.savepoints.opened(number);
        Ok(number)
    }

    /// Keeps what was done since the savepoint.
    pub async fn release(&self, number: u64) -> Result<(), DbErr> {
        self.settle().await?;
        if !self.savepoints.is_open(number) {
            return Err(DbErr::Type(SAVEPOINT_ENDED.to_owned()));
        }
        self.control(&format!("RELEASE SAVEPOINT rylie_{number}")).await?;
        self.savepoints.ended(number);
        Ok(())
    }

    /// Undoes what is to be undone; an error if the transaction is broken all the same.
    pub async fn settle(&self) -> Result<(), DbErr> {
        let mut open = self.open.lock().await;
        self.ready(&mut open).await
    }

    /// Notes that what was done since the savepoint is to be undone, before anything else is done.
    pub fn undo(&self, number: u64) {
        self.savepoints.undo(number);
    }

    /// Runs before each statement, with the connection locked.
    async fn ready(&self, open: &mut Option<Open>) -> Result<(), DbErr> {
        if let Some(number) = self.savepoints.to_undo() {
            // Sent again if the caller is cancelled meanwhile, which does no harm; hence not in one batch with the next.
            self.execute(open, &format!("ROLLBACK TO SAVEPOINT rylie_{number}")).await?;
            self.savepoints.ended(number);
            self.broken.store(true, Ordering::Relaxed);
            self.execute(open, &format!("RELEASE SAVEPOINT rylie_{number}")).await?;
            self.broken.store(false, Ordering::Relaxed);
        }
        if self.broken.load(Ordering::Relaxed) { Err(DbErr::Type(BROKEN.to_owned())) } else { Ok(()) }
    }

    /// A statement that steers the transaction: not counted.
    async fn control(&self, sql: &str) -> Result<(), DbErr> {
        let mut open = self.open.lock().await;
        self.ready(&mut open).await?;
        self.broken.store(true, Ordering::Relaxed);
        self.execute(&mut open, sql).await?;
        self.broken.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// How many statements were sent, `BEGIN` and `COMMIT` left out.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Whether anything but a `SELECT` was sent.
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

/// Runs one sqlx call on whichever engine the transaction is open on, within the time that the server has for it.
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

/// Runs one statement, which breaks the transaction unless it is seen to succeed.
macro_rules! guarded {
    ($self:ident, $observed:ident, |$open:ident| $call:expr) => {{
        let mut $open = $self.open.lock().await;
        $self.ready(&mut $open).await?;
        $self.broken.store(true, Ordering::Relaxed);
        let done = async { $call }.instrument($observed.span.clone()).await;
        $observed.end(&done);
        $self.broken.store(done.is_err(), Ordering::Relaxed);
        done
    }};
}

/// Runs one of SeaORM's statements.
macro_rules! on_connection {
    ($self:ident, $statement:ident, |$query:ident, $conn:ident| $call:expr) => {{
        let observed = $self.note(&$statement.sql)?;
        let (sql, values) = parts($statement)?;
        guarded!($self, observed, |open| on_engine!($self, open, |$conn| {
            let $query = sqlx::query_with(AssertSqlSafe(sql), values).persistent($self.keeps_statements);
            $call
        }))
    }};
}

/// Runs a statement of PostgreSQL's that binds arrays, which SeaORM's values cannot hold where some items are null.
macro_rules! on_arrays {
    ($self:ident, $sql:ident, $arrays:ident, |$query:ident, $conn:ident| $call:expr) => {{
        let observed = $self.note(&$sql)?;
        guarded!($self, observed, |open| {
            let Some(Open::Postgres(held)) = open.as_mut() else { return Err(query_error(sqlx::Error::WorkerCrashed)) };
            let within = held.within();
            let $conn = held.conn().map_err(query_error)?;
            let $query = sqlx::query_with(AssertSqlSafe($sql), $arrays).persistent($self.keeps_statements);
            let done = answered(within, async { $call }).await;
            $self.noted(held, done)
        })
    }};
}

impl Transaction {
    /// Runs a statement of PostgreSQL's that binds arrays, which SeaORM's values cannot hold where some items are null.
    pub async fn execute_arrays(&self, sql: String, arrays: PgArguments) -> Result<u64, DbErr> {
        on_arrays!(self, sql, arrays, |query, conn| {
            query.execute(conn).await.map(|done| done.rows_affected()).map_err(exec_error)
        })
    }

    /// As [`execute_arrays`](Self::execute_arrays), for one that returns rows.
    pub async fn query_arrays(&self, sql: String, arrays: PgArguments) -> Result<Vec<QueryResult>, DbErr> {
        on_arrays!(self, sql, arrays, |query, conn| {
            query.fetch_all(conn).await.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(query_error)
        })
    }

    async fn execute(&self, open: &mut Option<Open>, sql: &str) -> Result<(), DbErr> {
        on_engine!(self, open, |conn| {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.map(|_| ()).map_err(query_error)
        })
    }

    /// Looks at the end of a statement: the connection may have ended with it, or may be of no use any more.
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
        on_connection!(self, stmt, |query, conn| query.execute(conn).await.map(Into::into).map_err(exec_error))
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let observed = self.note(sql)?;
        guarded!(self, observed, |open| on_engine!(self, open, |conn| {
            let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
            done.map(Into::into).map_err(exec_error)
        }))
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        on_connection!(self, stmt, |query, conn| {
            query.fetch_optional(conn).await.map(|row| row.map(Into::into)).map_err(query_error)
        })
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        on_connection!(self, stmt, |query, conn| {
            query.fetch_all(conn).await.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(query_error)
        })
    }
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}
