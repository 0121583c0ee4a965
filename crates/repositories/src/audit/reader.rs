//! The reads of an audit log verification: in pages by key, so that the log may have any size.

use rylie_audit::{Digest, Finding, Format, Proof, SealedBatch, SealedLeaf, SealedTenant, inclusion_path};
use rylie_entities::Timestamp;
use sea_orm::QueryResult;

use crate::audit::leaf_page::{self, LeafPage, LeafPlace, PlacedLeaf, PlacedTenant};
use crate::audit::relations;
use crate::audit::rows::{by_bytes, digest, lenient, signed, unsigned};
use crate::audit::strays::{self, StrayPage};
use crate::audit::structure;
use crate::audit::tenant::{checkpoint, count, entry, place as tenant_place};
use crate::tx::Tx;
use crate::{Error, Result};

/// Reads the audit log and its seals for a verification, in one read-only transaction. Each call is one statement,
/// unless stated otherwise.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
pub struct AuditReader {
    tx: Tx,
}

/// The size of the sealed log, from [`AuditReader::extent`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AuditExtent {
    /// The number of the newest batch.
    pub batches: u64,
    /// The number of records ever sealed, including removed ones.
    pub records: u64,
}

/// Selects batches.
const BATCH: &str = "SELECT batch, checkpoint, records, total, removed_at IS NOT NULL AS removed, \
     CASE WHEN sealed_at BETWEEN '0001-01-01' AND '9999-12-31' THEN sealed_at END AS sealed_at FROM rylie_audit_batch";

/// Selects tenants' entries, each with the tenant's running count before it.
const TENANT: &str = "SELECT t.batch, t.number, t.tenant, t.records, t.total, t.root, coalesce((SELECT b.total FROM rylie_audit_tenant b \
     WHERE b.tenant = t.tenant {by_bytes} AND b.batch < t.batch ORDER BY b.batch DESC LIMIT 1), 0) AS before FROM rylie_audit_tenant t";

/// Selects the first waiting record that is missing, or that waits under no position or one other than its own.
const WAITING: &str = "SELECT p.record_id, a.id IS NULL AS gone FROM rylie_audit_pending p \
     LEFT JOIN \"AuditLog\" a ON a.id = p.record_id {by_bytes} \
     WHERE a.id IS NULL OR p.position IS NULL OR (a.position <> p.position AND {readable}) ORDER BY p.position LIMIT 1";

impl AuditReader {
    pub(crate) fn new(tx: Tx) -> Self {
        Self { tx }
    }

    /// Returns the number of batches and of records ever sealed, for a progress bar.
    pub async fn extent(&self) -> Result<AuditExtent> {
        const SQL: &str = "SELECT batch, total FROM rylie_audit_batch ORDER BY batch DESC LIMIT 1";
        let rows = self.tx.across_tenants()?.rows(SQL, vec![]).await?;
        let extent = |row: &QueryResult| AuditExtent { batches: count(row, "batch"), records: count(row, "total") };
        Ok(rows.first().map(extent).unwrap_or_default())
    }

    /// Checks that the tables of the log are what a deploy makes, so that the other reads can rely on them: tables, whose
    /// rows this login sees whole, with columns of their types. To be called first. Five statements on PostgreSQL, more on
    /// SQLite. On PostgreSQL the transaction's search path is pinned from then on.
    ///
    /// `sealed` states whether a checkpoint or an earlier verification is known. Otherwise a database without any table of
    /// the seals has no finding.
    pub async fn relations(&self, sealed: bool) -> Result<Option<Finding>> {
        relations::check(&self.tx, sealed).await
    }

    /// Returns the number of records that wait to be sealed.
    pub async fn waiting(&self) -> Result<u64> {
        let rows =
            self.tx.across_tenants()?.rows("SELECT count(*) AS waiting FROM rylie_audit_pending", vec![]).await?;
        rows.first().map_or(Ok(0), |row| unsigned(row, "waiting"))
    }

    /// Returns the first batch after one. Numbers may be missing.
    pub async fn batch_after(&self, batch: u64) -> Result<Option<SealedBatch>> {
        Ok(self.batches_after(batch, 1).await?.pop())
    }

    /// Returns the batches after one, ascending.
    pub async fn batches_after(&self, batch: u64, limit: u64) -> Result<Vec<SealedBatch>> {
        let sql = format!("{BATCH} WHERE batch > $1 ORDER BY batch LIMIT $2");
        let rows = self.tx.across_tenants()?.rows(&sql, vec![signed(batch).into(), signed(limit).into()]).await?;
        Ok(rows.iter().map(sealed_batch).collect())
    }

    /// Returns the texts of the checkpoints after a batch, ascending.
    pub async fn checkpoints_after(&self, batch: u64, limit: u64) -> Result<Vec<String>> {
        const SQL: &str = "SELECT checkpoint FROM rylie_audit_batch WHERE batch > $1 ORDER BY batch LIMIT $2";
        let rows = self.tx.across_tenants()?.rows(SQL, vec![signed(batch).into(), signed(limit).into()]).await?;
        Ok(rows.iter().map(|row| lenient(row, "checkpoint")).collect())
    }

    /// Returns the tenants of all batches in order, after a place, each with its place.
    pub async fn tenants_after(&self, after: LeafPlace, limit: u64) -> Result<Vec<PlacedTenant>> {
        let tenant = TENANT.replace("{by_bytes}", by_bytes(self.tx.engine()));
        let sql = format!("{tenant} WHERE (t.batch, t.number) > ($1, $2) ORDER BY t.batch, t.number LIMIT $3");
        let values = vec![signed(after.batch).into(), after.number.into(), signed(limit).into()];
        let rows = self.tx.across_tenants()?.rows(&sql, values).await?;
        Ok(rows.iter().map(|row| PlacedTenant { place: leaf_page::place(row), tenant: sealed_tenant(row) }).collect())
    }

    /// Returns the leaves of all batches in order, after a place. At most `limit`, and fewer where texts are long.
    /// Empty only at the end. Two statements, three on SQLite. [`look_for_erasures`](Self::look_for_erasures) completes
    /// them. Fails with [`Error::Internal`] if a long text changes while it is read.
    pub async fn leaves_after(&self, after: LeafPlace, limit: u64) -> Result<LeafPage> {
        leaf_page::read(&self.tx, after, limit).await
    }

    /// Sets the flags of leaves that lack a part: no erasure in the log names it, or the erasure is not sealed yet. Up to
    /// two statements; none where no part is missing.
    pub async fn look_for_erasures(&self, leaves: &mut [PlacedLeaf]) -> Result<()> {
        leaf_page::look_for_erasures(&self.tx, leaves).await
    }

    /// Searches the log from a key on (`None` at the beginning) for records that are neither sealed nor waiting, or that
    /// are so more than once. Returns the key to continue from (`None` at the end) and the finding. Two statements; on
    /// PostgreSQL four, and each range reads the tables whole, so take large ones.
    pub async fn stray_after(&self, id: Option<&str>, limit: u64) -> Result<StrayPage> {
        strays::after(&self.tx, id, limit).await
    }

    /// Checks that the tables of the seals contain exactly what the checkpoints up to batch `last` count, outside of
    /// the batches. Sends several statements.
    pub async fn structure(&self, last: u64) -> Result<Option<Finding>> {
        structure::tables(&self.tx, last).await
    }

    /// Checks the batches of a range. Sends several statements.
    pub async fn structure_of(&self, first: u64, last: u64) -> Result<Option<Finding>> {
        structure::batches(&self.tx, first, last).await
    }

    /// Returns a waiting record that is missing, or that waits under a position other than its own.
    pub async fn wrongly_waiting(&self) -> Result<Option<Finding>> {
        // A position that is no integer counts as absent.
        let readable = if self.tx.across_tenants()?.is_sqlite() { "typeof(a.position) = 'integer'" } else { "true" };
        let sql = WAITING.replace("{readable}", readable).replace("{by_bytes}", by_bytes(self.tx.engine()));
        let rows = self.tx.across_tenants()?.rows(&sql, vec![]).await?;
        Ok(rows.first().map(|row| {
            let record = lenient(row, "record_id");
            if lenient(row, "gone") { Finding::removed_unsealed(record) } else { Finding::waits_elsewhere(record) }
        }))
    }

    /// Returns the proof that a record was sealed. Fails with [`Error::NotFound`] if it is not sealed or was removed,
    /// and with [`Error::Audit`] if its checkpoint is malformed. Six statements, and more for a record with long texts.
    /// Reads the hashes of the tenant's other records of the batch, not these.
    pub async fn prove(&self, id: &str) -> Result<Proof> {
        const SQL: &str =
            "SELECT batch, number, tenant_number FROM rylie_audit_leaf WHERE record_id {by_bytes} = CAST($1 AS TEXT)";
        const HASHES: &str =
            "SELECT number, leaf FROM rylie_audit_leaf WHERE batch = $1 AND tenant_number = $2 ORDER BY number";
        let (sql, missing) =
            (SQL.replace("{by_bytes}", by_bytes(self.tx.engine())), Error::NotFound { entity: "sealed record" });
        let id = self.tx.text_of(id);
        let Some(row) = self.tx.across_tenants()?.rows(&sql, vec![id]).await?.pop() else { return Err(missing) };
        let batch = unsigned(&row, "batch")?;
        let (number, tenant_number) = (row.try_get::<i64>("", "number")?, row.try_get::<i64>("", "tenant_number")?);
        let values = vec![signed(batch).into(), tenant_number.into()];
        let leaves = self.tx.across_tenants()?.rows(HASHES, values).await?;
        let hashes: Vec<Digest> = leaves.iter().map(|row| digest(row, "leaf")).collect();
        let index = leaves.iter().position(|row| lenient::<i64>(row, "number") == number);
        let place = index.and_then(|index| Some((index, inclusion_path(&hashes, index)?)));
        let (Some((index, path)), Some(tenant)) = (place, tenant_place(&self.tx, batch, tenant_number).await?) else {
            return Err(missing);
        };
        let record = self.leaves_where("l.batch = $1 AND l.number = $2", batch, number).await?.pop();
        let record = record.and_then(SealedLeaf::into_record).ok_or(missing)?;
        Ok(Proof::new(record, (index as u64, path), tenant, &checkpoint(&self.tx, batch).await?))
    }

    /// Returns the leaves of a tenant in a batch, in order, with their records. Two statements, and more for long
    /// texts. Fails with [`Error::Internal`] if a long text changes while it is read.
    pub async fn leaves_of(&self, batch: u64, tenant_number: i64) -> Result<Vec<SealedLeaf>> {
        self.leaves_where("l.batch = $1 AND l.tenant_number = $2", batch, tenant_number).await
    }

    async fn leaves_where(&self, condition: &str, batch: u64, number: i64) -> Result<Vec<SealedLeaf>> {
        let rows = leaf_page::all(&self.tx, condition, vec![signed(batch).into(), number.into()]).await?;
        let format = leaf_page::formats(&self.tx, batch, batch).await?.remove(&batch).unwrap_or(Format::Two);
        Ok(rows.iter().map(|row| leaf_page::leaf(row, format)).collect())
    }
}

impl std::fmt::Debug for AuditReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditReader")
    }
}

fn sealed_batch(row: &QueryResult) -> SealedBatch {
    let sealed_at = row.try_get::<Option<Timestamp>>("", "sealed_at").unwrap_or_default();
    SealedBatch {
        batch: count(row, "batch"),
        checkpoint: lenient(row, "checkpoint"),
        removed: lenient(row, "removed"),
        records: count(row, "records"),
        total: count(row, "total"),
        sealed_at: sealed_at.map(Timestamp::utc),
    }
}

fn sealed_tenant(row: &QueryResult) -> SealedTenant {
    SealedTenant { entry: entry(row), total_before: count(row, "before") }
}
