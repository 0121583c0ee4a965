//! Every stored secret of everybody: counting them by key and form, and bringing them to the form and key of today.

mod old_key;
mod read;
mod reencrypt;
mod survey;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;

use crate::tx::Tx;
use crate::{Result, SecretColumn};

/// The stored secrets of all tenants, column by column, in the order of their rows' ids.
///
/// A walk goes over every value once: each call takes the id after which it goes on, nothing at first, and gives the
/// one for the next call, or nothing at the end.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SecretValueRepository: Send + Sync {
    /// How many values the column holds. Reads the whole table.
    async fn count(&self, column: SecretColumn) -> Result<u64>;

    /// Waits until every unit that has written to a table with secrets has ended, so that a later count sees what it
    /// wrote. Nobody else writes to them until this unit ends: end it at once. On SQLite a unit that may write waits
    /// by itself.
    ///
    /// [`Error::Timeout`](crate::Error::Timeout) if one goes on longer than waiting for a lock may take.
    async fn wait_for_writers(&self) -> Result<()>;

    /// Looks at the next `batch` values, opens each, and counts them by key and form. One statement.
    async fn survey(&self, column: SecretColumn, after: Option<String>, batch: u64) -> Result<SecretSurvey>;

    /// Brings those of the next `batch` values that are not under the active key, or not in the form that the column's
    /// policy writes, to both. Recorded, if there were any.
    ///
    /// Two statements: one reads, one writes only where the value is still the one that was read, so that what
    /// another unit wrote meanwhile stays. Every value is opened, and each new one again before it is written; what
    /// the database stored is compared with what was sent. What does not open, or is in a form that the policy does not
    /// accept, is left and named.
    ///
    /// [`Error::Secret`](crate::Error::Secret) if the policy cannot be followed with these keys, and
    /// [`Error::Invalid`](crate::Error::Invalid) if the old service's key, with which it is to write, opens nothing of what
    /// the old service wrote.
    async fn reencrypt(&self, column: SecretColumn, after: Option<String>, batch: u64) -> Result<SecretsReencrypted>;
}

/// What was found in some rows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecretSurvey {
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
    /// How many rows were looked at.
    pub rows: u64,
    /// How many values there are by the id of their key, or by `legacy-cbc`, `legacy-gcm`, `plain`.
    pub values: BTreeMap<String, u64>,
    /// How many fingerprints of the column's blind index there are by the id of their key.
    pub fingerprints: BTreeMap<String, u64>,
    /// Which values do not open.
    pub unreadable: Vec<UnreadableSecret>,
}

/// What was done in some rows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecretsReencrypted {
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
    /// How many rows were looked at.
    pub rows: u64,
    /// How many of them were written.
    pub rewritten: u64,
    /// How many another unit changed between reading and writing. What it wrote stays; the batch can be done again.
    pub changed_meanwhile: u64,
    /// Which values do not open, or must not; they were left.
    pub unreadable: Vec<UnreadableSecret>,
}

/// A value that does not open. The value itself is not told.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct UnreadableSecret {
    /// The column.
    pub column: SecretColumn,
    /// The row's id.
    pub row: String,
    /// The id of the key that the value names, if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Why not.
    pub reason: String,
}

#[async_trait]
impl SecretValueRepository for Tx {
    async fn count(&self, column: SecretColumn) -> Result<u64> {
        let sql = format!(r#"SELECT count(*) FROM "{}" WHERE {}"#, column.table(), read::filled(column));
        self.across_tenants()?.count(&sql, vec![]).await
    }

    async fn wait_for_writers(&self) -> Result<()> {
        read::wait_for_writers(self).await
    }

    async fn survey(&self, column: SecretColumn, after: Option<String>, batch: u64) -> Result<SecretSurvey> {
        survey::survey(self, column, after, batch).await
    }

    async fn reencrypt(&self, column: SecretColumn, after: Option<String>, batch: u64) -> Result<SecretsReencrypted> {
        reencrypt::reencrypt(self, column, after, batch).await
    }
}
