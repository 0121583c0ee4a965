//! Writes a row and its record through a function, as its own transaction, once even if the connection breaks.

use rylie_connection::Fault;
use rylie_entities::audit_log;
use sea_orm::{ConnectionTrait, EntityTrait, QueryResult, Statement};

use super::row_json::object;
use crate::error::{Error, Result};
use crate::filter::Tx;

/// The outcome of a write through a function.
pub(super) enum Once<T> {
    /// It was done by this attempt, which returned the answer.
    Done(T),
    /// It had been done by the attempt before, which ended with this fault. If the row cannot be read now, the caller
    /// must not learn that nothing was changed.
    DoneBefore(Fault),
}

/// Returns the record as the functions take it.
pub(super) fn record_json(record: &audit_log::ActiveModel) -> Result<String> {
    let json = object::<audit_log::Entity>(record)?;
    json.ok_or(Error::Invalid { what: "the event", reason: "its details must be an object" })
}

impl Tx {
    /// Writes a row and its record through a function, as its own transaction. `read` reads the function's answer.
    ///
    /// If the connection breaks, the unit begins, and the call is sent again with the same record. If the record is
    /// taken, the first attempt was committed. Fails with [`Error::OutcomeUnknown`] if that stays unknown.
    pub(super) async fn write_once<E: EntityTrait, T>(
        &self,
        statement: Statement,
        record: audit_log::ActiveModel,
        read: impl Fn(&[QueryResult]) -> Result<T>,
    ) -> Result<Once<T>> {
        match self.write_alone(E::default().table_name(), statement.clone()).await {
            Ok(rows) => read(&rows).map(Once::Done),
            Err(Error::OutcomeUnknown(fault)) => match Box::pin(self.write_again(statement, record, read)).await {
                Ok(Ok(Some(done))) => Ok(Once::Done(done)),
                Ok(Ok(None)) => Ok(Once::DoneBefore(fault)),
                Ok(Err(refused)) => Err(refused),
                Err(_) => Err(Error::OutcomeUnknown(fault)),
            },
            Err(error) => Err(error),
        }
    }

    /// Writes a row that may have been written before, with this record. Fails if that stays unknown. Otherwise returns
    /// the outcome: none if it was written before.
    async fn write_again<T>(
        &self,
        statement: Statement,
        record: audit_log::ActiveModel,
        read: impl Fn(&[QueryResult]) -> Result<T>,
    ) -> Result<Result<Option<T>>> {
        let savepoint = self.savepoint().await?;
        let rows = self.connection().await?.query_all_raw(statement).await.map_err(Error::from);
        let refused = match rows.and_then(|rows| read(&rows)) {
            Ok(done) => {
                savepoint.keep().await?;
                return Ok(Ok(Some(done)));
            }
            Err(refused) => refused,
        };
        savepoint.undo().await?;
        if self.was_recorded(record).await? {
            return Ok(Ok(None));
        }
        match refused {
            // The first attempt may still run: it may hold the lock that this one did not get.
            Error::Timeout | Error::Contention => Err(refused),
            refused => Ok(Err(refused)),
        }
    }

    /// Returns whether a record with this id was committed. Waits for a transaction that adds it. Ids are made here, so
    /// no other call has added it.
    async fn was_recorded(&self, record: audit_log::ActiveModel) -> Result<bool> {
        let savepoint = self.savepoint().await?;
        let added = self.insert_unless_there::<audit_log::Entity>(record).await?;
        savepoint.undo().await?;
        Ok(!added)
    }
}
