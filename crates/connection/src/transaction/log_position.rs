//! Log positions of reads and commits.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement};
use sqlx::{AssertSqlSafe, Postgres, Row};

use super::transaction_connection::TransactionConnection;
use super::{EngineConnection, Transaction};
use crate::bounds::answered;
use crate::log_position::{LogPosition, ON_PRIMARY, ON_REPLICA};
use crate::server::Server;

impl Transaction {
    /// Returns a log position after everything that this transaction sees.
    pub async fn log_position(&self) -> Result<LogPosition, DbErr> {
        let position = match (self.get_database_backend(), self.server()) {
            (DbBackend::Postgres, Server::Primary) => ON_PRIMARY,
            (DbBackend::Postgres, Server::Replica(_)) => ON_REPLICA,
            _ => return Ok(LogPosition::default()),
        };
        let sql = format!("SELECT {position} AS position");
        let row = self.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the position of the log".to_owned()))?;
        Ok(LogPosition::of_log(row.try_get("", "position")?))
    }

    /// Like [`commit`](Self::commit), and returns a log position after the commit; still one round trip.
    pub async fn commit_with_position(self) -> Result<LogPosition, DbErr> {
        let done = match self.into_open() {
            Some(EngineConnection::Postgres(held)) => held.commit_with_position().await,
            Some(EngineConnection::Sqlite(held)) => held.commit().await.map(|()| LogPosition::default()),
            Some(EngineConnection::Deferred(_)) => Ok(LogPosition::default()),
            None => Err(sqlx::Error::WorkerCrashed),
        };
        done.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

impl TransactionConnection<Postgres> {
    async fn commit_with_position(mut self) -> Result<LogPosition, sqlx::Error> {
        // The driver ends a transaction only by its own statement. So the batch begins another one, which is rolled
        // back in the background when the connection is returned.
        let sql = format!("COMMIT AND CHAIN; SELECT {ON_PRIMARY}");
        self.committing();
        let within = self.within();
        let row = answered(within, sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(self.conn()?)).await;
        let row = row.and_then(|row| row).inspect_err(|error| self.note(error))?;
        let position = LogPosition::of_log(row.try_get(0)?);
        self.committed();
        Ok(position)
    }
}
