//! Statements of a transaction: counted, observed and limited in time.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe, IntoArguments, Postgres};
use tracing::Instrument;

use super::storable::{parts, refuse_nul};
use super::transaction_connection::TransactionConnection;
use super::{EngineConnection, Transaction};
use crate::bounds::answered;
use crate::error::{READ_ONLY, driver_error, is_read_only_server};
use crate::unit_options::Access;

/// Runs one sqlx call on the transaction's engine, within the time limit of the connection.
macro_rules! on_engine {
    ($self:ident, $open:expr, |$conn:ident| $call:expr) => {
        match $open.as_mut() {
            Some(EngineConnection::Postgres(held)) => {
                let within = held.within();
                let $conn = held.conn().map_err(query_error)?;
                let done = answered(within, async { $call }).await;
                $self.noted(held, done)
            }
            Some(EngineConnection::Sqlite(held)) => {
                let $conn = held.conn().map_err(query_error)?;
                $call
            }
            Some(EngineConnection::Deferred(_)) | None => Err(query_error(sqlx::Error::WorkerCrashed)),
        }
    };
}

/// Runs one statement. It breaks the transaction unless it succeeds.
macro_rules! guarded {
    ($self:ident, $telemetry:ident, |$open:ident| $call:expr) => {{
        let mut $open = $self.open.lock().await;
        $self.ready(&mut $open).await?;
        $self.broken.store(true, Ordering::Relaxed);
        let done = async { $call }.instrument($telemetry.span.clone()).await;
        $telemetry.end(&done, $self.meter.as_ref());
        $self.broken.store(done.is_err(), Ordering::Relaxed);
        done
    }};
}

/// Runs one SeaORM statement.
macro_rules! on_connection {
    ($self:ident, $statement:ident, |$query:ident, $conn:ident| $call:expr) => {{
        let telemetry = $self.note(&$statement.sql)?;
        let (sql, values) = parts($statement)?;
        guarded!($self, telemetry, |open| on_engine!($self, open, |$conn| {
            let $query = sqlx::query_with(AssertSqlSafe(sql), values).persistent($self.keeps_statements);
            $call
        }))
    }};
}

/// Runs a PostgreSQL statement that binds arrays. SeaORM's values cannot represent arrays with null items.
macro_rules! on_arrays {
    ($self:ident, $sql:ident, $arrays:ident, |$query:ident, $conn:ident| $call:expr) => {{
        let telemetry = $self.note(&$sql)?;
        guarded!($self, telemetry, |open| {
            let Some(EngineConnection::Postgres(held)) = open.as_mut() else {
                return Err(query_error(sqlx::Error::WorkerCrashed));
            };
            let within = held.within();
            let $conn = held.conn().map_err(query_error)?;
            let $query = sqlx::query_with(AssertSqlSafe($sql), $arrays).persistent($self.keeps_statements);
            let done = answered(within, async { $call }).await;
            $self.noted(held, done)
        })
    }};
}

impl Transaction {
    /// Runs a PostgreSQL statement that binds arrays. SeaORM's values cannot represent arrays with null items.
    pub async fn execute_arrays(&self, sql: String, arrays: PgArguments) -> Result<u64, DbErr> {
        on_arrays!(self, sql, arrays, |query, conn| {
            query.execute(conn).await.map(|done| done.rows_affected()).map_err(exec_error)
        })
    }

    /// Runs a PostgreSQL statement that binds an array of texts after its values. SeaORM would copy each text.
    pub async fn execute_with_texts(&self, stmt: Statement, texts: &[String]) -> Result<u64, DbErr> {
        let (sql, values) = parts(stmt)?;
        refuse_nul(texts)?;
        let mut arguments = IntoArguments::<Postgres>::into_arguments(values);
        arguments.add(texts).map_err(|error| DbErr::Type(error.to_string()))?;
        self.execute_arrays(sql, arguments).await
    }

    /// Like [`execute_arrays`](Self::execute_arrays), for a statement that returns rows.
    pub async fn query_arrays(&self, sql: String, arrays: PgArguments) -> Result<Vec<QueryResult>, DbErr> {
        on_arrays!(self, sql, arrays, |query, conn| {
            query.fetch_all(conn).await.map(|rows| rows.into_iter().map(Into::into).collect()).map_err(query_error)
        })
    }

    pub(super) async fn execute(&self, open: &mut Option<EngineConnection>, sql: &str) -> Result<(), DbErr> {
        on_engine!(self, open, |conn| {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.map(|_| ()).map_err(query_error)
        })
    }

    /// Examines the result of a statement: the connection may be closed or unusable.
    fn noted<T>(
        &self,
        held: &mut TransactionConnection<Postgres>,
        done: sqlx::Result<Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
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
        let telemetry = self.note(sql)?;
        guarded!(self, telemetry, |open| on_engine!(self, open, |conn| {
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

pub(super) fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}
