//! What a verification of the audit log reads: in pages by key, so that its size does not matter.

use rylie_audit::{
    Digest, Finding, Proof, SealedBatch, SealedLeaf, SealedTenant, SignedCheckpoint, TenantBatch, TenantEntry,
    TenantPlace, inclusion_path,
};
use rylie_entities::{AuditLog, Timestamp};
use sea_orm::{FromQueryResult, QueryResult};

use crate::audit_rows::{Commitments, record, signed, unsigned};
use crate::fence::Tx;
use crate::{Error, Result};

/// The audit log and its seals, to be verified; one read-only transaction. Each call is one statement, except where it says otherwise.
pub struct AuditReader {
    tx: Tx,
}

const LEAVES: &str = "SELECT l.number, l.tenant_number, l.record_id, l.leaf, l.who_salt, l.what_salt, l.who, l.what, a.* \
     FROM rylie_audit_leaf l LEFT JOIN \"AuditLog\" a ON a.id = l.record_id \
     WHERE l.batch = $1 AND l.number > $2 ORDER BY l.number LIMIT $3";

/// Of the records of a page the first that is neither sealed (in a batch that is there) nor waiting, and the page's last key.
const STRAYS: &str = "SELECT max(page.id) AS last, min(CASE WHEN b.batch IS NULL AND p.record_id IS NULL THEN page.id END) AS stray \
     FROM (SELECT id FROM \"AuditLog\" WHERE id > $1 ORDER BY id LIMIT $2) AS page LEFT JOIN rylie_audit_leaf l ON l.record_id = page.id LEFT JOIN rylie_audit_batch b ON b.batch = l.batch \
     LEFT JOIN rylie_audit_pending p ON p.record_id = page.id";

const GONE: &str = "SELECT p.record_id FROM rylie_audit_pending p LEFT JOIN \"AuditLog\" a ON a.id = p.record_id \
     WHERE a.id IS NULL ORDER BY p.position LIMIT 1";

impl AuditReader {
    pub(crate) fn new(tx: Tx) -> Self {
        Self { tx }
    }

    /// How many batches there are, and how many records were ever sealed: for a progress bar.
    pub async fn extent(&self) -> Result<(u64, u64)> {
        const SQL: &str = "SELECT batch, total FROM rylie_audit_batch ORDER BY batch DESC LIMIT 1";
        let rows = self.tx.audit_rows(SQL, vec![]).await?;
        rows.first().map_or(Ok((0, 0)), |row| Ok((unsigned(row, "batch")?, unsigned(row, "total")?)))
    }

    /// The first batch after one; a number may be missing.
    pub async fn batch_after(&self, batch: u64) -> Result<Option<SealedBatch>> {
        const SQL: &str =
            "SELECT batch, checkpoint, removed_at FROM rylie_audit_batch WHERE batch > $1 ORDER BY batch LIMIT 1";
        let rows = self.tx.audit_rows(SQL, vec![signed(batch).into()]).await?;
        rows.first().map(sealed_batch).transpose()
    }

    /// Tenants of a batch in order, after a number; -1 for the first ones.
    pub async fn tenants(&self, batch: u64, after: i64, limit: u64) -> Result<Vec<SealedTenant>> {
        const SQL: &str = "SELECT t.tenant, t.records, t.total, t.root, coalesce((SELECT b.total FROM rylie_audit_tenant b \
             WHERE b.tenant = t.tenant AND b.batch < t.batch ORDER BY b.batch DESC LIMIT 1), 0) AS before \
             FROM rylie_audit_tenant t WHERE t.batch = $1 AND t.number > $2 ORDER BY t.number LIMIT $3";
        let rows = self.tx.audit_rows(SQL, vec![signed(batch).into(), after.into(), signed(limit).into()]).await?;
        rows.iter().map(|row| Ok(SealedTenant { entry: entry(row)?, total_before: unsigned(row, "before")? })).collect()
    }

    /// Leaves of a batch in order, after a number (-1 for the first ones), each with its number and its tenant's.
    pub async fn leaves(&self, batch: u64, after: i64, limit: u64) -> Result<Vec<(i64, i64, SealedLeaf)>> {
        let rows = self.tx.audit_rows(LEAVES, vec![signed(batch).into(), after.into(), signed(limit).into()]).await?;
        rows.iter().map(|row| Ok((row.try_get("", "number")?, row.try_get("", "tenant_number")?, leaf(row)?))).collect()
    }

    /// Looks through the log from a key on: the key to go on from (`None` at the end), and what is neither sealed nor waiting.
    pub async fn stray_after(&self, id: &str, limit: u64) -> Result<(Option<String>, Option<Finding>)> {
        let rows = self.tx.audit_rows(STRAYS, vec![id.into(), signed(limit).into()]).await?;
        let Some(row) = rows.first() else { return Ok((None, None)) };
        Ok((row.try_get("", "last")?, row.try_get::<Option<String>>("", "stray")?.map(Finding::added)))
    }

    /// A record that waited to be sealed and is gone.
    pub async fn gone(&self) -> Result<Option<Finding>> {
        let rows = self.tx.audit_rows(GONE, vec![]).await?;
        rows.first().map(|row| Ok(Finding::removed_unsealed(row.try_get("", "record_id")?))).transpose()
    }

    /// The proof that a record was sealed; [`Error::NotFound`] for one that is not, or not yet. Five statements.
    pub async fn prove(&self, id: &str) -> Result<Proof> {
        const SQL: &str = "SELECT batch, tenant_number FROM rylie_audit_leaf WHERE record_id = $1";
        let missing = Error::NotFound { entity: "sealed record" };
        let Some(row) = self.tx.audit_rows(SQL, vec![id.into()]).await?.pop() else { return Err(missing) };
        let (batch, tenant_number) = (unsigned(&row, "batch")?, row.try_get::<i64>("", "tenant_number")?);
        let leaves = self.leaves_of(batch, tenant_number).await?;
        let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf.leaf).collect();
        let index = leaves.iter().position(|leaf| leaf.id == id);
        let place = index.and_then(|index| Some((index, inclusion_path(&hashes, index)?)));
        let (Some((index, path)), Some(tenant)) = (place, self.tenant_place(batch, tenant_number).await?) else {
            return Err(missing);
        };
        let record = leaves.into_iter().nth(index).and_then(|leaf| leaf.record).ok_or(missing)?;
        Ok(Proof::new(record, (index as u64, path), tenant, &self.checkpoint(batch).await?))
    }

    /// What a tenant's export carries to be checked as complete: each batch that has records of the tenant, oldest first,
    /// after a batch. Two statements, and three a batch.
    pub async fn tenant_batches(&self, tenant: &str, after: u64, limit: u64) -> Result<Vec<TenantBatch>> {
        const SQL: &str =
            "SELECT batch, number FROM rylie_audit_tenant WHERE tenant = $1 AND batch > $2 ORDER BY batch LIMIT $3";
        let rows = self.tx.audit_rows(SQL, vec![tenant.into(), signed(after).into(), signed(limit).into()]).await?;
        let mut batches = Vec::with_capacity(rows.len());
        for row in &rows {
            let batch = unsigned(row, "batch")?;
            let place = self.tenant_place(batch, row.try_get("", "number")?).await?;
            let place = place.ok_or(Error::NotFound { entity: "rylie_audit_tenant" })?;
            batches.push(TenantBatch { place, checkpoint: self.checkpoint(batch).await?.to_text() });
        }
        Ok(batches)
    }

    /// The leaves of a tenant in a batch, in order.
    pub async fn leaves_of(&self, batch: u64, tenant_number: i64) -> Result<Vec<SealedLeaf>> {
        const SQL: &str = "SELECT l.number, l.tenant_number, l.record_id, l.leaf, l.who_salt, l.what_salt, l.who, l.what, a.* \
             FROM rylie_audit_leaf l LEFT JOIN \"AuditLog\" a ON a.id = l.record_id \
             WHERE l.batch = $1 AND l.tenant_number = $2 ORDER BY l.number";
        let rows = self.tx.audit_rows(SQL, vec![signed(batch).into(), tenant_number.into()]).await?;
        rows.iter().map(leaf).collect()
    }

    async fn tenant_place(&self, batch: u64, number: i64) -> Result<Option<TenantPlace>> {
        const SQL: &str =
            "SELECT tenant, records, total, root FROM rylie_audit_tenant WHERE batch = $1 ORDER BY number";
        let rows = self.tx.audit_rows(SQL, vec![signed(batch).into()]).await?;
        let entries = rows.iter().map(entry).collect::<Result<Vec<_>>>()?;
        let leaves: Vec<Digest> = entries.iter().map(TenantEntry::leaf).collect();
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let found = inclusion_path(&leaves, index).zip(entries.into_iter().nth(index));
        Ok(found.map(|(path, entry)| TenantPlace { entry, index: index as u64, path }))
    }

    async fn checkpoint(&self, batch: u64) -> Result<SignedCheckpoint> {
        let found = self.batch_after(batch.saturating_sub(1)).await?.filter(|found| found.batch == batch);
        let found = found.ok_or(Error::NotFound { entity: "rylie_audit_batch" })?;
        Ok(SignedCheckpoint::parse(&found.checkpoint)?)
    }
}

impl std::fmt::Debug for AuditReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditReader")
    }
}

fn sealed_batch(row: &QueryResult) -> Result<SealedBatch> {
    let removed = row.try_get::<Option<Timestamp>>("", "removed_at")?.is_some();
    Ok(SealedBatch { batch: unsigned(row, "batch")?, checkpoint: row.try_get("", "checkpoint")?, removed })
}

fn entry(row: &QueryResult) -> Result<TenantEntry> {
    Ok(TenantEntry {
        tenant: row.try_get("", "tenant")?,
        records: unsigned(row, "records")?,
        total: unsigned(row, "total")?,
        root: digest(row, "root")?,
    })
}

fn leaf(row: &QueryResult) -> Result<SealedLeaf> {
    let id: String = row.try_get("", "record_id")?;
    let record = match row.try_get::<Option<String>>("", "id")? {
        Some(_) => Some(record(AuditLog::from_query_result(row, "")?, &Commitments::read(row)?)),
        None => None,
    };
    Ok(SealedLeaf { id, leaf: digest(row, "leaf")?, record })
}

/// A digest of another length agrees with nothing.
fn digest(row: &QueryResult, name: &str) -> Result<Digest> {
    Ok(Digest::from_bytes(&row.try_get::<Vec<u8>>("", name)?).unwrap_or(Digest::NONE))
}
