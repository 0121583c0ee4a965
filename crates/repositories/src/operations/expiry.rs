//! Removing expired rows in batches, so that no call holds locks for long.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use rylie_audit::Action;
use rylie_entities::Timestamp;
use sea_orm::DbBackend;

use crate::tx::Tx;
use crate::usage::billing_period;
use crate::{Error, Result};

/// The kinds of rows that expire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Expirable {
    /// Sessions, from the instant at which they are no longer valid.
    Sessions,
    /// Verification tokens, likewise.
    VerificationTokens,
    /// Stored answers of repeatable calls, from the instant at which their keys are free again.
    IdempotencyKeys,
    /// Usage events, by the time of counting. A removed event counts again if it is delivered again.
    UsageEvents,
    /// Soft-deleted requests, by the time of deletion, with their tasks and mappings. Each is recorded as purged.
    DeletedRequests,
    /// Soft-deleted tasks, by the time of deletion. Each is recorded as purged.
    DeletedTasks,
    /// Soft-deleted rows of this own table of the service, by the time of deletion. Each is recorded as purged.
    DeletedOwn(&'static str),
}

/// Removes expired rows of all tenants.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ExpiryRepository: Send + Sync {
    /// Returns the service's own tables with soft-deleted rows, each before those that it refers to.
    fn own_tables(&self) -> Vec<&'static str>;

    /// Returns the number of rows that expired at least `age` ago. One statement, served by an index. Fails with
    /// [`Error::Invalid`] for an age that exceeds the supported range of time.
    async fn count(&self, what: Expirable, age: Duration) -> Result<u64>;

    /// Deletes at most `batch` rows that expired at least `age` ago, oldest first. Returns the number of deleted rows.
    ///
    /// Fewer than `batch` means that none is left, except rows that another transaction locks or changes: those are
    /// skipped. Fails with [`Error::Invalid`] as [`count`](Self::count) does.
    async fn remove(&self, what: Expirable, age: Duration, batch: u64) -> Result<u64>;

    /// Deletes all rows that expired at least `age` ago by one statement, which is faster than batches. Returns the number
    /// of deleted rows, or `None` if only batches are possible: for rows that are recorded, and on SQLite, where no
    /// statement has a time limit.
    ///
    /// For a unit with a [statement limit](crate::UnitOptions::statement_timeout), so that no row is locked for long. Waits for
    /// locked rows. Fails with [`Error::Timeout`] if the limit ends it, and with [`Error::Invalid`] as
    /// [`count`](Self::count) does.
    async fn remove_all(&self, what: Expirable, age: Duration) -> Result<Option<u64>>;
}

impl Expirable {
    /// Returns the table, its key, the column of the expiry time, and the condition on the rows.
    fn parts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Sessions => ("Session", "id", "expires", "TRUE"),
            Self::VerificationTokens => ("VerificationToken", "token", "expires", "TRUE"),
            Self::IdempotencyKeys => ("IdempotencyKey", "id", "expires", "TRUE"),
            Self::UsageEvents => ("UsageEvent", "id", "countedAt", "TRUE"),
            Self::DeletedRequests => ("Request", "id", "deletedAt", "deleted"),
            Self::DeletedTasks => ("Task", "id", "deletedAt", "deleted"),
            Self::DeletedOwn(table) => (table, "id", "deletedAt", "deleted"),
        }
    }

    fn is_recorded(self) -> bool {
        matches!(self, Self::DeletedRequests | Self::DeletedTasks | Self::DeletedOwn(_))
    }

    /// Returns the statement that deletes a batch and skips locked rows. `$1` is the latest expiry time, `$2` the batch size.
    fn delete_batch(self, engine: DbBackend) -> String {
        let (table, key, ended, which) = self.parts();
        // On PostgreSQL a physical row address avoids an index lookup. Tables whose rows change often use the key,
        // because a row that moved before it was locked would be missed.
        let lie = engine != DbBackend::Sqlite && !self.is_recorded();
        let by = if lie { "ctid".to_owned() } else { format!(r#""{key}""#) };
        let rows =
            format!(r#"SELECT {by} FROM "{table}" WHERE {which} AND "{ended}" <= $1 ORDER BY "{ended}" LIMIT $2"#);
        match engine {
            DbBackend::Sqlite => format!(r#"DELETE FROM "{table}" WHERE {by} IN ({rows})"#),
            // An array is evaluated once. A sub-query could run again for each row and lock more than the batch.
            _ => format!(r#"DELETE FROM "{table}" WHERE {by} = ANY (ARRAY({rows} FOR UPDATE SKIP LOCKED))"#),
        }
    }
}

#[async_trait]
impl ExpiryRepository for Tx {
    fn own_tables(&self) -> Vec<&'static str> {
        let tables = self.own_schema().tables().iter().rev().filter(|table| table.soft_delete);
        tables.map(|table| table.name).collect()
    }

    async fn count(&self, what: Expirable, age: Duration) -> Result<u64> {
        let (table, _, ended, which) = what.parts();
        let sql = format!(r#"SELECT count(*) FROM "{table}" WHERE {which} AND "{ended}" <= $1"#);
        self.across_tenants()?.count(&sql, vec![ago(self, age)?.into()]).await
    }

    async fn remove(&self, what: Expirable, age: Duration, batch: u64) -> Result<u64> {
        let all = self.across_tenants()?;
        let sql = what.delete_batch(self.engine());
        let values = vec![ago(self, age)?.into(), i64::try_from(batch).unwrap_or(i64::MAX).into()];
        if !what.is_recorded() {
            return all.run(&sql, values).await;
        }
        let rows = all.rows(&format!(r#"{sql} RETURNING "id""#), values).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<std::result::Result<_, _>>()?;
        let removed = ids.len() as u64;
        self.record_each(&Action::Purged, what.parts().0, ids).await?;
        Ok(removed)
    }

    async fn remove_all(&self, what: Expirable, age: Duration) -> Result<Option<u64>> {
        let all = self.across_tenants()?;
        if all.is_sqlite() || what.is_recorded() {
            return Ok(None);
        }
        let (table, _, ended, _) = what.parts();
        let sql = format!(r#"DELETE FROM "{table}" WHERE "{ended}" <= $1"#);
        all.run(&sql, vec![ago(self, age)?.into()]).await.map(Some)
    }
}

fn ago(tx: &Tx, age: Duration) -> Result<Timestamp> {
    let too_long = Error::Invalid { what: "the age", reason: "it exceeds the supported range of time" };
    let age = TimeDelta::from_std(age).map_err(|_| too_long)?;
    Ok(tx.now().utc().checked_sub_signed(age).map_or(billing_period::always().0, Timestamp::from))
}
