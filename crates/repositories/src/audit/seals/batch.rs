//! The statements that seal and remove a batch.

use std::collections::BTreeMap;

use rylie_audit::{Consistency, SignedCheckpoint, TenantEntry, Tree};
use rylie_entities::Timestamp;
use sea_orm::{QueryResult, Value};

use super::waiting::Hashed;
use crate::audit::rows::{by_bytes, lenient, signed, unsigned};
use crate::tx::Tx;
use crate::{Error, Result};

const LAST: &str = "SELECT checkpoint FROM rylie_audit_batch ORDER BY batch DESC LIMIT 1";

pub(super) async fn last_checkpoint(tx: &Tx) -> Result<Option<SignedCheckpoint>> {
    let rows = tx.across_tenants()?.rows(LAST, vec![]).await?;
    rows.first().map(checkpoint).transpose()
}

/// Returns the checkpoint of a row. What is none is a batch of another hand.
pub(super) fn checkpoint(row: &QueryResult) -> Result<SignedCheckpoint> {
    SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?).map_err(|_| NOT_COUNTED)
}

pub(super) async fn fingerprint(tx: &Tx) -> Result<String> {
    let rows = tx.across_tenants()?.rows("SELECT fingerprint FROM rylie_database", vec![]).await?;
    rows.first().map_or(Err(Error::NotFound { entity: "rylie_database" }), |row| Ok(row.try_get("", "fingerprint")?))
}

/// Returns one entry per tenant, with the running count after the batch `last`. The records are sorted.
pub(super) async fn entries(tx: &Tx, records: &[Hashed], last: u64) -> Result<Vec<TenantEntry>> {
    let mut entries: Vec<TenantEntry> = Vec::new();
    for of_tenant in records.chunk_by(|a, b| a.tenant == b.tenant) {
        let tree: Tree = of_tenant.iter().map(|record| record.leaf).collect();
        let tenant = of_tenant.first().map(|record| record.tenant.clone()).unwrap_or_default();
        entries.push(TenantEntry { tenant, records: tree.size(), total: 0, root: tree.root() });
    }
    let before = totals(tx, &entries.iter().map(|entry| entry.tenant.clone()).collect::<Vec<_>>(), last).await?;
    for entry in &mut entries {
        entry.total = before.get(&entry.tenant).copied().unwrap_or_default() + entry.records;
    }
    Ok(entries)
}

/// Returns the running counts of the tenants that have one. Fails if one is of an entry that no checkpoint counts: it must
/// not be signed.
async fn totals(tx: &Tx, tenants: &[String], newest: u64) -> Result<BTreeMap<String, u64>> {
    let (list, value) = tx.list_of(tenants);
    let sql = format!(
        "SELECT list.value AS tenant, t.total, t.number, b.checkpoint FROM {list} \
         JOIN rylie_audit_tenant t ON t.tenant = list.value {0} AND t.batch = (SELECT max(e.batch) FROM rylie_audit_tenant e \
         WHERE e.tenant = list.value {0} AND e.batch BETWEEN 1 AND $2) LEFT JOIN rylie_audit_batch b ON b.batch = t.batch",
        by_bytes(tx.engine())
    );
    let rows = tx.across_tenants()?.rows(&sql, vec![value, signed(newest).into()]).await?;
    rows.iter()
        .map(|row| {
            let checkpoint = SignedCheckpoint::parse(&lenient::<String>(row, "checkpoint"));
            let counted = checkpoint.map_or(0, |checkpoint| checkpoint.checkpoint().tenants);
            if unsigned(row, "number").map_or(true, |number| number >= counted) {
                return Err(NOT_COUNTED);
            }
            Ok((row.try_get("", "tenant")?, unsigned(row, "total")?))
        })
        .collect()
}

/// A row of another hand in the tables of the seals. Only a login that may seal writes one.
pub(super) const NOT_COUNTED: Error = Error::Invalid {
    what: "the next batch",
    reason: "a leaf, an entry or a batch that no checkpoint covers is in its place; `rylie audit verify` names it, and the \
             owner of the tables removes it",
};

/// Inserts the leaves of sorted records.
pub(super) async fn insert_leaves(tx: &Tx, batch: u64, records: &[Hashed]) -> Result<()> {
    const INTO: &str = "rylie_audit_leaf (batch, number, tenant_number, record_id, leaf, who_salt, what_salt)";
    let of_tenants = records.chunk_by(|a, b| a.tenant == b.tenant).zip(0_i64..);
    let tenants: Vec<i64> = of_tenants.flat_map(|(records, number)| records.iter().map(move |_| number)).collect();
    let ids = records.iter().map(|record| record.id.clone()).collect();
    let bytes = |of: fn(&Hashed) -> &[u8]| Column::Bytes(records.iter().map(|record| of(record).to_vec()).collect());
    let columns = [
        Column::Numbers(tenants),
        Column::Texts(ids),
        bytes(|record| &record.leaf.0),
        bytes(|record| &record.salts[0].0),
        bytes(|record| &record.salts[1].0),
    ];
    insert(tx, INTO, batch, records.len(), columns).await
}

pub(super) async fn insert_entries(tx: &Tx, batch: u64, entries: &[TenantEntry]) -> Result<()> {
    const INTO: &str = "rylie_audit_tenant (batch, number, tenant, records, total, root)";
    let columns = [
        Column::Texts(entries.iter().map(|entry| entry.tenant.clone()).collect()),
        Column::Numbers(entries.iter().map(|entry| signed(entry.records)).collect()),
        Column::Numbers(entries.iter().map(|entry| signed(entry.total)).collect()),
        Column::Bytes(entries.iter().map(|entry| entry.root.0.to_vec()).collect()),
    ];
    insert(tx, INTO, batch, entries.len(), columns).await
}

/// The values of a column, one for each row.
enum Column {
    Numbers(Vec<i64>),
    Texts(Vec<String>),
    Bytes(Vec<Vec<u8>>),
}

impl Column {
    /// Returns the column as one array, with its type.
    fn into_array(self) -> (&'static str, Value) {
        match self {
            Self::Numbers(numbers) => ("bigint[]", numbers.into()),
            Self::Texts(texts) => ("text[]", texts.into()),
            Self::Bytes(bytes) => ("bytea[]", bytes.into()),
        }
    }

    fn value(&self, row: usize) -> Value {
        match self {
            Self::Numbers(numbers) => numbers.get(row).copied().into(),
            // As bytes: a text of another writer may have a NUL.
            Self::Texts(texts) => texts.get(row).map(|text| text.as_bytes().to_vec()).into(),
            Self::Bytes(bytes) => bytes.get(row).cloned().into(),
        }
    }
}

/// Inserts numbered rows of a batch. On PostgreSQL this is one statement, whose text is the same for any number of rows.
/// On SQLite it is one for some hundred rows. Its values have no names, because the driver looks up the name of each one
/// in a list of all.
async fn insert(tx: &Tx, into: &str, batch: u64, rows: usize, columns: impl IntoIterator<Item = Column>) -> Result<()> {
    const ROWS: usize = 500;
    if rows == 0 {
        return Ok(());
    }
    let mut values = vec![Value::from(signed(batch))];
    if !tx.across_tenants()?.is_sqlite() {
        let (mut arrays, mut read) = (Vec::new(), Vec::new());
        for column in columns {
            let (kind, array) = column.into_array();
            values.push(array);
            arrays.push(format!("${}::{kind}", values.len()));
            read.push(format!("c{}", values.len()));
        }
        let (arrays, read) = (arrays.join(", "), read.join(", "));
        let sql = format!(
            "INSERT INTO {into} SELECT $1, number - 1, {read} FROM unnest({arrays}) WITH ORDINALITY AS rows({read}, number)"
        );
        return tx.across_tenants()?.run(&sql, values).await.map(|_| ());
    }
    let columns: Vec<Column> = columns.into_iter().collect();
    let bind = |column: &Column| if matches!(column, Column::Texts(_)) { "CAST(? AS TEXT)" } else { "?" };
    let tuple = format!("(?, ?, {})", columns.iter().map(bind).collect::<Vec<_>>().join(", "));
    for first in (0..rows).step_by(ROWS) {
        let some = first..rows.min(first + ROWS);
        let sql = format!("INSERT INTO {into} VALUES {}", vec![&*tuple; some.len()].join(", "));
        let mut values = Vec::with_capacity(some.len() * (columns.len() + 2));
        for row in some {
            values.extend([signed(batch).into(), signed(row as u64).into()]);
            values.extend(columns.iter().map(|column| column.value(row)));
        }
        tx.across_tenants()?.run(&sql, values).await?;
    }
    Ok(())
}

pub(super) async fn no_longer_waiting(tx: &Tx, positions: Vec<i64>) -> Result<()> {
    if !tx.across_tenants()?.is_sqlite() {
        let sql = "DELETE FROM rylie_audit_pending WHERE position = ANY($1::bigint[])";
        return tx.across_tenants()?.run(sql, vec![positions.into()]).await.map(|_| ());
    }
    let sql = "DELETE FROM rylie_audit_pending WHERE position IN (SELECT value FROM json_each($1))";
    tx.across_tenants()?.run(sql, vec![serde_json::json!(positions).to_string().into()]).await.map(|_| ())
}

pub(super) async fn insert_batch(tx: &Tx, sealed: &SignedCheckpoint) -> Result<()> {
    const SQL: &str =
        "INSERT INTO rylie_audit_batch (batch, sealed_at, records, total, checkpoint) VALUES ($1, $2, $3, $4, $5)";
    let checkpoint = sealed.checkpoint();
    let row: Vec<Value> = vec![
        signed(checkpoint.batch).into(),
        Timestamp::from(checkpoint.time).into(),
        signed(checkpoint.records).into(),
        signed(checkpoint.total).into(),
        sealed.to_text().into(),
    ];
    tx.across_tenants()?.run(SQL, row).await.map(|_| ())
}

/// Removes batches, ascending, and returns the number of their records. On PostgreSQL one call of the function removes
/// all, because it checks the chain of digests from the first of them to the newest checkpoint.
pub(super) async fn remove_batches(tx: &Tx, batches: &[u64]) -> Result<u64> {
    let Some(last) = batches.last() else { return Ok(0) };
    if tx.across_tenants()?.is_sqlite() {
        refuse_a_broken_chain(tx, batches[0]).await?;
        let mut removed = 0;
        for batch in batches {
            removed += remove_on_sqlite(tx, *batch).await?;
        }
        return Ok(removed);
    }
    // Not a plain `SELECT`, which would be classified as a read.
    let sql =
        "WITH removed AS MATERIALIZED (SELECT rylie_audit_remove_batch($1, $2) AS records) SELECT records FROM removed";
    let rows = tx.across_tenants()?.rows(sql, vec![signed(*last).into(), tx.now().into()]).await?;
    rows.first().map_or(Ok(0), |row| unsigned(row, "records"))
}

/// Checks that the checkpoints follow each other from the one before a batch to the newest.
async fn refuse_a_broken_chain(tx: &Tx, first: u64) -> Result<()> {
    const SQL: &str = "SELECT checkpoint FROM rylie_audit_batch WHERE batch >= $1 AND batch < $2 ORDER BY batch";
    const PAGE: u64 = 1_000;
    let (mut chain, mut from) = (Consistency::default(), first.saturating_sub(1).max(1));
    loop {
        let rows = tx.across_tenants()?.rows(SQL, vec![signed(from).into(), signed(from + PAGE).into()]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            chain.add(SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?)?;
        }
        from += PAGE;
    }
}

/// Removes a batch.
async fn remove_on_sqlite(tx: &Tx, batch: u64) -> Result<u64> {
    let number = || vec![Value::from(signed(batch))];
    let sealed = tx.across_tenants()?.rows("SELECT records FROM rylie_audit_batch WHERE batch = $1", number()).await?;
    let sealed = sealed.first().map_or(Ok(0), |row| unsigned(row, "records"))?;
    tx.across_tenants()?.run("INSERT INTO rylie_audit_keeper (task) VALUES ('retention')", vec![]).await?;
    let records = "DELETE FROM \"AuditLog\" WHERE id IN (SELECT record_id FROM rylie_audit_leaf WHERE batch = $1)";
    let removed = tx.across_tenants()?.run(records, number()).await?;
    if removed != sealed {
        return Err(Error::Invalid {
            what: "the batch",
            reason: "it does not hold what was sealed; verify the log first",
        });
    }
    tx.across_tenants()?.run("DELETE FROM rylie_audit_leaf WHERE batch = $1", number()).await?;
    let mark = "UPDATE rylie_audit_batch SET removed_at = $2 WHERE batch = $1";
    tx.across_tenants()?.run(mark, vec![signed(batch).into(), tx.now().into()]).await?;
    tx.across_tenants()?.run("DELETE FROM rylie_audit_keeper", vec![]).await?;
    Ok(removed)
}
