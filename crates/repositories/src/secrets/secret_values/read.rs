//! Reading the values of a column across tenants.

use rylie_crypto::{Sealed, Secret, StoredForm};
use sea_orm::{DbBackend, QueryResult, Value};

use super::UnreadableSecret;
use crate::secrets::vault::{Place, Vault};
use crate::tx::Tx;
use crate::{Error, Result, SecretColumn};

/// A row with a secret, or with a leftover in the blind index.
pub(super) struct Row {
    pub(super) id: String,
    owner: String,
    pub(super) value: Option<String>,
    pub(super) index: Option<String>,
}

impl Row {
    pub(super) fn place(&self, column: SecretColumn) -> Place<'_> {
        Place { column, row: &self.id, owner: &self.owner }
    }

    pub(super) fn open(&self, vault: &Vault<'_>, column: SecretColumn, value: &str) -> Result<Secret<String>> {
        vault.open(value, self.place(column))
    }

    /// Reports that the value was left, without any part of it.
    pub(super) fn unreadable(&self, column: SecretColumn, error: &Error) -> UnreadableSecret {
        let reason = match error {
            Error::Secret(cause) => cause.to_string(),
            other => other.to_string(),
        };
        let key = self.value.as_deref().and_then(key_of);
        UnreadableSecret { column, row: self.id.clone(), key, reason }
    }

    fn of(result: &QueryResult) -> Result<Self> {
        Ok(Self {
            id: result.try_get_by_index(0)?,
            owner: result.try_get_by_index(1)?,
            value: result.try_get_by_index(2)?,
            index: result.try_get_by_index(3)?,
        })
    }
}

/// Returns the key id of an envelope; `None` for every other form.
pub(super) fn key_of(value: &str) -> Option<String> {
    (StoredForm::of(value) == StoredForm::Sealed)
        .then(|| Sealed::parse(value).map(|sealed| sealed.key_id().to_owned()).ok())
        .flatten()
}

/// Returns the next rows after an id, at most `batch`, and the id to continue after.
pub(super) async fn rows(
    tx: &Tx,
    column: SecretColumn,
    after: Option<String>,
    batch: u64,
) -> Result<(Vec<Row>, Option<String>)> {
    let batch = i64::try_from(batch.max(1)).unwrap_or(i64::MAX);
    let condition = format!(r#""id" > $1 AND {} ORDER BY "id" LIMIT $2"#, filled(column));
    let rows = select(tx, column, &condition, [after.unwrap_or_default().into(), batch.into()]).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= batch);
    let next = rows.last().filter(|_| full).map(|row| row.id.clone());
    Ok((rows, next))
}

/// Returns some rows whose value may be a ciphertext of the old service, by its prefix.
pub(super) async fn may_be_ciphertexts(tx: &Tx, column: SecretColumn, limit: i64) -> Result<Vec<Row>> {
    let pattern = format!("{}:%", "_".repeat(32));
    select(tx, column, &format!(r#""{}" LIKE $1 LIMIT $2"#, column.column()), [pattern.into(), limit.into()]).await
}

async fn select(tx: &Tx, column: SecretColumn, condition: &str, values: [Value; 2]) -> Result<Vec<Row>> {
    let (table, name, owner) = (column.table(), column.column(), column.owner());
    let index = column.index().map_or_else(|| "NULL".to_owned(), |index| format!(r#""{index}""#));
    let sql = format!(r#"SELECT "id", "{owner}", "{name}", {index} FROM "{table}" WHERE {condition}"#);
    tx.across_tenants()?.rows(&sql, values.into()).await?.iter().map(Row::of).collect()
}

pub(super) async fn wait_for_writers(tx: &Tx) -> Result<()> {
    if tx.engine() == DbBackend::Postgres {
        let mut tables: Vec<String> =
            tx.own_schema().secret_columns().iter().map(|column| format!(r#""{}""#, column.table())).collect();
        tables.dedup();
        tx.across_tenants()?.run(&format!("LOCK TABLE {} IN SHARE MODE", tables.join(", ")), vec![]).await?;
    }
    Ok(())
}

pub(super) fn filled(column: SecretColumn) -> String {
    let value = format!(r#""{}" IS NOT NULL"#, column.column());
    // A writer without knowledge of the index may have removed the value and left the index.
    column.index().map_or_else(|| value.clone(), |index| format!(r#"({value} OR "{index}" IS NOT NULL)"#))
}
