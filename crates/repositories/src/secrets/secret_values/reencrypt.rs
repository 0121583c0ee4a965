//! Re-encrypting values under the active key, in the form that their column's policy writes.

use std::collections::BTreeMap;

use rylie_audit::{Action, Event};
use rylie_crypto::{Secret, Stored, StoredForm};
use sea_orm::DbBackend;
use serde_json::json;

use super::read::{Row, key_of, rows};
use super::{SecretsReencrypted, old_key};
use crate::audit::AuditRepository;
use crate::secrets::vault::Vault;
use crate::tx::Tx;
use crate::{Error, Result, SecretColumn};

/// The stored and the new value of a row.
struct Change<'r> {
    row: &'r Row,
    value: Option<Stored>,
    index: Option<String>,
}

pub(super) async fn reencrypt(
    tx: &Tx,
    column: SecretColumn,
    after: Option<String>,
    batch: u64,
) -> Result<SecretsReencrypted> {
    let vault = tx.vault(column)?;
    vault.check()?;
    if after.is_none() && vault.writes_for_old_service() {
        old_key::check(tx).await?;
    }
    let (rows, next) = rows(tx, column, after, batch).await?;
    let mut done = SecretsReencrypted { next, rows: rows.len() as u64, ..Default::default() };
    let mut changes = Vec::new();
    for row in &rows {
        match wanted(&vault, column, row) {
            Ok(change) => changes.extend(change),
            Err(error) => done.unreadable.push(row.unreadable(column, &error)),
        }
    }
    if !changes.is_empty() {
        (done.rewritten, done.written) = write(tx, column, &changes).await?;
        done.changed_meanwhile = changes.len() as u64 - done.rewritten;
    }
    if done.rewritten > 0 {
        let event = Event::new(Action::SecretsReencrypted).with("column", column).with("values", done.rewritten);
        tx.record(event.with("key", vault.active_key()?.as_str()).with("written", &done.written)).await?;
    }
    Ok(done)
}

/// Returns the change that a row needs; `None` if it is current.
fn wanted<'r>(vault: &Vault<'_>, column: SecretColumn, row: &'r Row) -> Result<Option<Change<'r>>> {
    let Some(value) = &row.value else {
        return Ok(row.index.is_some().then_some(Change { row, value: None, index: None }));
    };
    // Opened even if it stays: this detects damage.
    let secret = row.open(vault, column, value)?;
    let current = vault.is_current(value)?;
    let stored = if current { Stored::new(value.as_str()) } else { sealed_again(vault, column, row, &secret)? };
    let index = match column.index() {
        Some(_) => vault.index_for(&stored, &secret)?.map(|index| index.stored().to_owned()),
        None => None,
    };
    let changed = !current || index != row.index;
    Ok(changed.then_some(Change { row, value: Some(stored), index }))
}

/// Seals a value and opens the result, before the old value is replaced.
fn sealed_again(vault: &Vault<'_>, column: SecretColumn, row: &Row, secret: &Secret<String>) -> Result<Stored> {
    let stored = vault.seal(secret, row.place(column))?;
    if row.open(vault, column, stored.as_str())? == *secret {
        return Ok(stored);
    }
    Err(Error::Internal { what: "the re-encrypted value", reason: "it does not open to the original; it was left" })
}

/// Writes where the old value is unchanged. Returns the number of rows written, and of values by key or form.
async fn write(tx: &Tx, column: SecretColumn, changes: &[Change<'_>]) -> Result<(u64, BTreeMap<String, u64>)> {
    let stored = tx.across_tenants()?.rows(&sql(tx.engine(), column), vec![document(changes).into()]).await?;
    let sent: BTreeMap<&str, Option<&str>> =
        changes.iter().map(|change| (change.row.id.as_str(), change.value.as_ref().map(Stored::as_str))).collect();
    let mut written = BTreeMap::new();
    for row in &stored {
        let (id, value): (String, Option<String>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if sent.get(id.as_str()).copied().flatten() != value.as_deref() {
            return Err(Error::Internal {
                what: "the stored value",
                reason: "it is not the value that was sent; look for a trigger or rule on the table",
            });
        }
        if let Some(value) = value {
            let kind = key_of(&value).unwrap_or_else(|| StoredForm::of(&value).to_string());
            *written.entry(kind).or_default() += 1;
        }
    }
    Ok((stored.len() as u64, written))
}

/// Returns all changes as one document, so that the limit on bound values does not apply.
fn document(changes: &[Change<'_>]) -> String {
    let change = |change: &Change<'_>| {
        json!({
            "id": change.row.id,
            "old": change.row.value,
            "new": change.value.as_ref().map(Stored::as_str),
            "old_index": change.row.index,
            "new_index": change.index,
        })
    };
    serde_json::Value::Array(changes.iter().map(change).collect()).to_string()
}

fn sql(engine: DbBackend, column: SecretColumn) -> String {
    let (table, name) = (column.table(), column.column());
    let (from, same) = if engine == DbBackend::Sqlite {
        let field = |field: &str| format!("json_extract(value, '$.{field}') AS {field}");
        let fields = ["id", "old", "new", "old_index", "new_index"].map(field).join(", ");
        (format!("(SELECT {fields} FROM json_each($1)) AS change"), "IS")
    } else {
        let fields = "id text, old text, new text, old_index text, new_index text";
        (format!("json_to_recordset($1::json) AS change ({fields})"), "IS NOT DISTINCT FROM")
    };
    let mut set = format!(r#""{name}" = change.new"#);
    let mut unchanged = format!(r#""{table}"."id" = change.id AND "{table}"."{name}" {same} change.old"#);
    if let Some(index) = column.index() {
        set = format!(r#"{set}, "{index}" = change.new_index"#);
        unchanged = format!(r#"{unchanged} AND "{table}"."{index}" {same} change.old_index"#);
    }
    format!(r#"UPDATE "{table}" SET {set} FROM {from} WHERE {unchanged} RETURNING "{table}"."id", "{table}"."{name}""#)
}
