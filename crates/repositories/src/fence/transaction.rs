//! One database transaction, as SeaORM's `ConnectionTrait`.
//!
//! The transaction is ours and not SeaORM's for three reasons: `BEGIN`, the role and the tenant travel as one batch;
//! a caller that is cancelled during `BEGIN` cannot put a connection inside an open transaction back into
//! the pool; and every statement passes one place, where it is counted and checked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Value, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Database, Postgres, SqlSafeStr, Sqlite};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::Mutex;

use crate::pool::Access;

/// A transaction under way. Dropped, it is rolled back without waiting.
pub(crate) struct Transaction {
    engine: DbBackend,
    access: Access,
    open: Mutex<Option<Open>>,
    statements: AtomicU64,
    wrote: AtomicBool,
}

enum Open {
    Postgres(Held<Postgres>),
    Sqlite(Held<Sqlite>),
}

impl Transaction {
    /// Begins on a PostgreSQL connection with `batch`, which must start with `BEGIN`; one round trip.
    pub(crate) async fn begin_postgres(
        conn: PoolConnection<Postgres>,
        batch: String,
        access: Access,
    ) -> Result<Self, sqlx::Error> {
        let held = Held::begin(conn, batch).await?;
        Ok(Self::new(DbBackend::Postgres, Open::Postgres(held), access))
    }

    /// Begins on a SQLite connection with `batch`, which must be a `BEGIN`.
    pub(crate) async fn begin_sqlite(
        conn: PoolConnection<Sqlite>,
        batch: String,
        access: Access,
    ) -> Result<Self, sqlx::Error> {
        let held = Held::begin(conn, batch).await?;
        Ok(Self::new(DbBackend::Sqlite, Open::Sqlite(held), access))
    }

    fn new(engine: DbBackend, open: Open, access: Access) -> Self {
        let (statements, wrote) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { engine, access, open: Mutex::new(Some(open)), statements, wrote }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.open.into_inner() {
            Some(Open::Postgres(held)) => held.commit().await,
            Some(Open::Sqlite(held)) => held.commit().await,
            None => Err(sqlx::Error::WorkerCrashed),
        }
    }

    /// How many statements were sent, `BEGIN` and `COMMIT` left out.
    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Whether anything but a `SELECT` was sent.
    pub(crate) fn wrote(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    fn note(&self, sql: &str) -> Result<(), DbErr> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        if !sql.starts_with("SELECT") {
            if self.access == Access::ReadOnly {
                return Err(DbErr::Type(READ_ONLY.to_owned()));
            }
            self.wrote.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A pooled connection inside a transaction.
struct Held<DB: Database> {
    conn: PoolConnection<DB>,
    open: bool,
}

impl<DB: Database> Held<DB> {
    /// `BEGIN` runs in a task of its own: a caller that is cancelled meanwhile leaves the task to finish, whose
    /// result then drops and rolls back. A connection on which the batch failed half-way is closed, not reused.
    async fn begin(mut conn: PoolConnection<DB>, batch: String) -> Result<Self, sqlx::Error> {
        let begun = tokio::spawn(async move {
            let begin = DB::TransactionManager::begin(&mut conn, Some(AssertSqlSafe(batch).into_sql_str()));
            match begin.await {
                Ok(()) => Ok(Self { conn, open: true }),
                Err(error) => {
                    conn.close_on_drop();
                    Err(error)
                }
            }
        });
        begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    async fn commit(mut self) -> Result<(), sqlx::Error> {
        DB::TransactionManager::commit(&mut self.conn).await?;
        self.open = false;
        Ok(())
    }
}

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        if self.open {
            // Queued here, sent when the connection goes back to the pool, off the caller's path.
            DB::TransactionManager::start_rollback(&mut self.conn);
        }
    }
}

/// Runs one sqlx call on whichever engine the transaction is open on.
macro_rules! on_connection {
    ($self:ident, |$conn:ident| $call:expr) => {{
        let mut open = $self.open.lock().await;
        match open.as_mut() {
            Some(Open::Postgres(held)) => {
                let $conn = &mut *held.conn;
                $call
            }
            Some(Open::Sqlite(held)) => {
                let $conn = &mut *held.conn;
                $call
            }
            None => Err(query_error(sqlx::Error::WorkerCrashed)),
        }
    }};
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.engine
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.note(&stmt.sql)?;
        let (sql, values) = parts(stmt)?;
        on_connection!(self, |conn| {
            let done = sqlx::query_with(AssertSqlSafe(sql), values).execute(conn).await;
            done.map(Into::into).map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
        })
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.note(sql)?;
        on_connection!(self, |conn| {
            let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
            done.map(Into::into).map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
        })
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.note(&stmt.sql)?;
        let (sql, values) = parts(stmt)?;
        on_connection!(self, |conn| {
            let row = sqlx::query_with(AssertSqlSafe(sql), values).fetch_optional(conn).await;
            row.map(|row| row.map(Into::into)).map_err(query_error)
        })
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.note(&stmt.sql)?;
        let (sql, values) = parts(stmt)?;
        on_connection!(self, |conn| {
            let rows = sqlx::query_with(AssertSqlSafe(sql), values).fetch_all(conn).await;
            rows.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(query_error)
        })
    }
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// The markers by which [`crate::Error`] knows that a statement was refused before it was sent.
pub(crate) const NUL_REFUSED: &str = "text with a NUL character";
pub(crate) const READ_ONLY: &str = "a write in a read-only unit";

/// PostgreSQL cannot store a NUL character in text and SQLite can: refused here on both, so that both do the same.
fn parts(stmt: Statement) -> Result<(String, SqlxValues), DbErr> {
    let values = stmt.values.unwrap_or_else(|| Values(Vec::new()));
    if values.0.iter().any(holds_nul) {
        return Err(DbErr::Type(NUL_REFUSED.to_owned()));
    }
    Ok((stmt.sql, SqlxValues(values)))
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(Some(text)) => text.contains('\0'),
        Value::Json(Some(json)) => json_holds_nul(json),
        Value::Array(_, Some(items)) => items.iter().any(holds_nul),
        _ => false,
    }
}

fn json_holds_nul(json: &serde_json::Value) -> bool {
    use serde_json::Value;
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(json_holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || json_holds_nul(value)),
        _ => false,
    }
}
