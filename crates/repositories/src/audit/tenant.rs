//! The sealed records of one tenant: the path from its records to a signed checkpoint.

use rylie_audit::{
    Digest, Format, SignedCheckpoint, TenantBatch, TenantEntry, TenantLeaf, TenantPlace, inclusion_path,
};
use rylie_entities::TenantId;
use sea_orm::QueryResult;

use crate::audit::long_texts;
use crate::audit::rows::{
    by_bytes, commitments, digest, key_of_leaf, lenient, long_time_key, signed, time_columns, unreadable, unsigned,
};
use crate::tx::Tx;
use crate::{Error, Result};

pub(crate) async fn batches(tx: &Tx, tenant: &TenantId, after: u64, limit: u64) -> Result<Vec<TenantBatch>> {
    const SQL: &str = "SELECT batch, number FROM rylie_audit_tenant WHERE tenant {by_bytes} = $1 AND batch > $2 ORDER BY batch LIMIT $3";
    let sql = SQL.replace("{by_bytes}", by_bytes(tx.engine()));
    let rows = tx.across_tenants()?.rows(&sql, vec![tenant.into(), signed(after).into(), signed(limit).into()]).await?;
    let mut batches = Vec::with_capacity(rows.len());
    for row in &rows {
        let batch = unsigned(row, "batch")?;
        let place = place(tx, batch, row.try_get("", "number")?).await?;
        let place = place.ok_or(Error::NotFound { entity: "rylie_audit_tenant" })?;
        batches.push(TenantBatch { place, checkpoint: checkpoint(tx, batch).await?.to_text() });
    }
    Ok(batches)
}

pub(crate) async fn leaves(
    tx: &Tx,
    tenant: &TenantId,
    batch: u64,
    after: i64,
    limit: u64,
) -> Result<Vec<(i64, TenantLeaf)>> {
    let sql = format!(
        "SELECT l.who_salt, l.what_salt, l.who, l.what, l.number, l.record_id, l.leaf, substr(b.checkpoint, 1, 26) AS checkpoint, {}, {} AS long \
         FROM rylie_audit_tenant t JOIN rylie_audit_leaf l ON l.batch = t.batch AND l.tenant_number = t.number \
         JOIN rylie_audit_batch b ON b.batch = t.batch LEFT JOIN \"AuditLog\" a ON a.id = {} \
         WHERE t.tenant = $1 AND t.batch = $2 AND l.number > $3 ORDER BY l.number LIMIT $4",
        time_columns(tx.engine()),
        long_time_key(tx.engine()),
        key_of_leaf(tx.engine())
    );
    let values = vec![tenant.into(), signed(batch).into(), after.into(), signed(limit).into()];
    let rows = tx.across_tenants()?.rows(&sql, values).await?;
    let mut leaves = Vec::with_capacity(rows.len());
    for row in &rows {
        let (record, commitments) = (row.try_get("", "record_id")?, commitments(row, 0)?);
        let long = long_texts::read(tx, row.try_get("", "long")?).await?;
        let unreadable = unreadable(row, 8, Format::of(&lenient::<String>(row, "checkpoint")), &long)?;
        let leaf = TenantLeaf { record, leaf: digest(row, "leaf"), commitments, unreadable };
        leaves.push((row.try_get("", "number")?, leaf));
    }
    Ok(leaves)
}

/// Returns the entry of a tenant by its number in a batch, with its path to the root.
pub(crate) async fn place(tx: &Tx, batch: u64, number: i64) -> Result<Option<TenantPlace>> {
    const SQL: &str = "SELECT tenant, records, total, root FROM rylie_audit_tenant WHERE batch = $1 ORDER BY number";
    let rows = tx.across_tenants()?.rows(SQL, vec![signed(batch).into()]).await?;
    let entries: Vec<TenantEntry> = rows.iter().map(entry).collect();
    let leaves: Vec<Digest> = entries.iter().map(TenantEntry::leaf).collect();
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    let found = inclusion_path(&leaves, index).zip(entries.into_iter().nth(index));
    Ok(found.map(|(path, entry)| TenantPlace { entry, index: index as u64, path }))
}

pub(crate) async fn checkpoint(tx: &Tx, batch: u64) -> Result<SignedCheckpoint> {
    const SQL: &str = "SELECT checkpoint FROM rylie_audit_batch WHERE batch = $1";
    let rows = tx.across_tenants()?.rows(SQL, vec![signed(batch).into()]).await?;
    let row = rows.first().ok_or(Error::NotFound { entity: "rylie_audit_batch" })?;
    Ok(SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?)
}

pub(crate) fn entry(row: &QueryResult) -> TenantEntry {
    TenantEntry {
        tenant: lenient(row, "tenant"),
        records: count(row, "records"),
        total: count(row, "total"),
        root: digest(row, "root"),
    }
}

pub(crate) fn count(row: &QueryResult, name: &str) -> u64 {
    unsigned(row, name).unwrap_or_default()
}
