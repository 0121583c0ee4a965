//! All stored secrets of all tenants: counting them by key and form, and re-encrypting them.

mod old_key;
mod read;
mod reencrypt;
mod survey;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;

use crate::tx::Tx;
use crate::{Result, SecretColumn};

/// The stored secrets of all tenants, column by column, sorted by row id.
///
/// A walk visits every value once. Each call takes the id after which it continues, `None` at first. It returns the id
/// for the next call, or `None` at the end.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SecretValueRepository: Send + Sync {
    /// Returns every column with secrets: the platform's, then those of the service's own tables.
    fn columns(&self) -> Vec<SecretColumn>;

    /// Returns the number of values in the column. Reads the whole table.
    async fn count(&self, column: SecretColumn) -> Result<u64>;

    /// Waits until every unit that has written to a table with secrets has ended, so that a later count sees its
    /// changes. Blocks other writers until this unit ends: end it at once. On SQLite a unit that may write waits when
    /// it begins.
    ///
    /// Fails with [`Error::Timeout`](crate::Error::Timeout) if a writer runs longer than the lock timeout.
    async fn wait_for_writers(&self) -> Result<()>;

    /// Opens the next `batch` values and counts them by key and form. One statement. Fails with
    /// [`Error::NoKeyring`](crate::Error::NoKeyring) if the store has no keyring.
    async fn survey(&self, column: SecretColumn, after: Option<String>, batch: u64) -> Result<SecretSurvey>;

    /// Re-encrypts the next `batch` values that are not under the active key, or not in the form that the column's
    /// policy writes. Recorded, if it changed any.
    ///
    /// Sends two statements. The first reads; the second writes only where the value is unchanged, so that concurrent
    /// writes are kept. Every value is opened, and each new one is opened before it is written. The stored value is
    /// compared with the sent one. A value that does not open, or has a form that the policy does not accept, is left
    /// and reported.
    ///
    /// Fails with [`Error::NoKeyring`](crate::Error::NoKeyring) if the store has no keyring, and with
    /// [`Error::Secret`](crate::Error::Secret) if the keys do not fit the policy. Fails with
    /// [`Error::Invalid`](crate::Error::Invalid) if the policy writes with the old service's key, and that key opens
    /// none of the old service's values. It also does if the database stores another value than the one that was sent,
    /// as a trigger can cause.
    async fn reencrypt(&self, column: SecretColumn, after: Option<String>, batch: u64) -> Result<SecretsReencrypted>;
}

/// Counts of the values in one batch of rows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecretSurvey {
    /// The id after which to continue; `None` at the end.
    pub next: Option<String>,
    /// Number of rows examined.
    pub rows: u64,
    /// Number of values by key id, or by `legacy-cbc`, `legacy-gcm`, `plain`.
    pub values: BTreeMap<String, u64>,
    /// Number of fingerprints in the column's blind index, by key id.
    pub fingerprints: BTreeMap<String, u64>,
    /// The values that do not open.
    pub unreadable: Vec<UnreadableSecret>,
}

/// The outcome of re-encrypting one batch of rows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SecretsReencrypted {
    /// The id after which to continue; `None` at the end.
    pub next: Option<String>,
    /// Number of rows examined.
    pub rows: u64,
    /// Number of rows written.
    pub rewritten: u64,
    /// Number of values written, by key id, or by `legacy-gcm` and `plain` for the forms of the old service.
    pub written: BTreeMap<String, u64>,
    /// Number of rows that another unit changed between reading and writing. Its values stay; the batch can be
    /// repeated.
    pub changed_meanwhile: u64,
    /// The values that do not open or that the policy does not accept; they are unchanged.
    pub unreadable: Vec<UnreadableSecret>,
}

/// A value that does not open, without the value itself.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct UnreadableSecret {
    /// The column.
    pub column: SecretColumn,
    /// The row's id.
    pub row: String,
    /// The id of the key that the value names, if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Why it does not open.
    pub reason: String,
}

#[async_trait]
impl SecretValueRepository for Tx {
    fn columns(&self) -> Vec<SecretColumn> {
        self.own_schema().secret_columns()
    }

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
