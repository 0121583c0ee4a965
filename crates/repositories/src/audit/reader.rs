//! The reads of an audit log verification: in pages by key, so that the log may have any size.

use rylie_audit::{
    Digest, Finding, Format, Part, Proof, Record, SealedBatch, SealedLeaf, SealedTenant, StoredRecord, inclusion_path,
};
use rylie_entities::Timestamp;
use sea_orm::QueryResult;

use crate::audit::erasure::{self, Cover};
use crate::audit::rows::{columns, commitments, lenient, record, signed, unsigned};
use crate::audit::structure;
use crate::audit::tenant::{checkpoint, count, digest, entry, place as tenant_place};
use crate::tx::Tx;
use crate::{Error, Result};

/// Reads the audit log and its seals for a verification, in one read-only transaction. Each call is one statement,
/// unless stated otherwise.
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

/// A leaf with its number in the batch, from [`AuditReader::leaves`].
#[derive(Clone, Debug)]
pub struct NumberedLeaf {
    /// The number of the leaf in its batch; the next page begins after the last one.
    pub number: i64,
    /// The number of the leaf's tenant in the batch.
    pub tenant_number: i64,
    /// The leaf.
    pub leaf: SealedLeaf,
}

/// A page of the search for unsealed records, from [`AuditReader::stray_after`].
#[derive(Debug, Default)]
pub struct StrayPage {
    /// The key after which the next page begins; `None` at the end of the log.
    pub next: Option<String>,
    /// A record that is neither sealed nor waiting, or that is sealed twice.
    pub finding: Option<Finding>,
}

/// Selects leaves with their records, the columns of a leaf first. The caller appends condition and order.
const LEAVES: &str = "l.number, l.tenant_number, l.record_id, l.leaf, l.who_salt, l.what_salt, l.who, l.what, substr(f.checkpoint, 1, 26) AS checkpoint \
     FROM rylie_audit_leaf l LEFT JOIN rylie_audit_batch f ON f.batch = l.batch LEFT JOIN \"AuditLog\" a ON a.id = l.record_id";

/// Maximum text before a row of a page. Rows after it are left to the next page, so that long details do not fill the
/// memory.
const TEXT: i64 = 8 << 20;

/// Joined to the records of a page. Each record must be found exactly once: under a leaf of an existing batch, or
/// waiting.
const PLACES: &str = "LEFT JOIN rylie_audit_leaf l ON l.record_id = page.id LEFT JOIN rylie_audit_batch b ON b.batch = l.batch AND b.batch >= 1 AND b.removed_at IS NULL \
     LEFT JOIN rylie_audit_pending p ON p.record_id = page.id";

/// Selects the first waiting record that is missing, or that waits under a position other than its own.
const WAITING: &str = "SELECT p.record_id, a.id IS NULL AS gone FROM rylie_audit_pending p LEFT JOIN \"AuditLog\" a ON a.id = p.record_id \
     WHERE a.id IS NULL OR a.position <> p.position ORDER BY p.position LIMIT 1";

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

    /// Returns the number of records that wait to be sealed.
    pub async fn waiting(&self) -> Result<u64> {
        let rows =
            self.tx.across_tenants()?.rows("SELECT count(*) AS waiting FROM rylie_audit_pending", vec![]).await?;
        rows.first().map_or(Ok(0), |row| unsigned(row, "waiting"))
    }

    /// Returns the first batch after one. Numbers may be missing.
    pub async fn batch_after(&self, batch: u64) -> Result<Option<SealedBatch>> {
        const SQL: &str = "SELECT batch, checkpoint, records, total, removed_at IS NOT NULL AS removed, \
             CASE WHEN sealed_at BETWEEN '0001-01-01' AND '9999-12-31' THEN sealed_at END AS sealed_at \
             FROM rylie_audit_batch WHERE batch > $1 ORDER BY batch LIMIT 1";
        let rows = self.tx.across_tenants()?.rows(SQL, vec![signed(batch).into()]).await?;
        Ok(rows.first().map(sealed_batch))
    }

    /// Returns the texts of the checkpoints after a batch, ascending.
    pub async fn checkpoints_after(&self, batch: u64, limit: u64) -> Result<Vec<String>> {
        const SQL: &str = "SELECT checkpoint FROM rylie_audit_batch WHERE batch > $1 ORDER BY batch LIMIT $2";
        let rows = self.tx.across_tenants()?.rows(SQL, vec![signed(batch).into(), signed(limit).into()]).await?;
        Ok(rows.iter().map(|row| lenient(row, "checkpoint")).collect())
    }

    /// Returns the tenants of a batch in order, after a number; -1 for the beginning.
    pub async fn tenants(&self, batch: u64, after: i64, limit: u64) -> Result<Vec<SealedTenant>> {
        const SQL: &str = "SELECT t.tenant, t.records, t.total, t.root, coalesce((SELECT b.total FROM rylie_audit_tenant b \
             WHERE b.tenant = t.tenant AND b.batch < t.batch ORDER BY b.batch DESC LIMIT 1), 0) AS before \
             FROM rylie_audit_tenant t WHERE t.batch = $1 AND t.number > $2 ORDER BY t.number LIMIT $3";
        let rows =
            self.tx.across_tenants()?.rows(SQL, vec![signed(batch).into(), after.into(), signed(limit).into()]).await?;
        Ok(rows.iter().map(|row| SealedTenant { entry: entry(row), total_before: count(row, "before") }).collect())
    }

    /// Returns leaves of a batch in order, after a number (-1 for the beginning), each with its number and its
    /// tenant's. At most `limit`, and fewer where details are long. Empty only at the end. Sends up to two more
    /// statements where a record lacks a part.
    pub async fn leaves(&self, batch: u64, after: i64, limit: u64) -> Result<Vec<NumberedLeaf>> {
        let columns = columns(self.tx.engine());
        let sql = format!(
            "SELECT * FROM (SELECT page.*, sum(length(page.details)) OVER (ORDER BY page.number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) \
             AS before FROM (SELECT {columns}, {LEAVES} WHERE l.batch = $1 AND l.number > $2 ORDER BY l.number LIMIT $3) AS page) AS counted \
             WHERE coalesce(before, 0) < {TEXT} ORDER BY number"
        );
        let rows = self
            .tx
            .across_tenants()?
            .rows(&sql, vec![signed(batch).into(), after.into(), signed(limit).into()])
            .await?;
        let number = |row: &QueryResult, name| row.try_get("", name).unwrap_or(i64::MAX);
        let numbered = |row| {
            let (number, tenant_number) = (number(row, "number"), number(row, "tenant_number"));
            NumberedLeaf { number, tenant_number, leaf: leaf(row) }
        };
        let mut leaves: Vec<_> = rows.iter().map(numbered).collect();
        self.look_for_erasures(batch, leaves.iter_mut().map(|numbered| &mut numbered.leaf).collect()).await?;
        Ok(leaves)
    }

    /// Sets the flags of leaves that lack a part: no erasure in the log names it, or the erasure is not sealed yet.
    async fn look_for_erasures(&self, batch: u64, leaves: Vec<&mut SealedLeaf>) -> Result<()> {
        let lacking = |part: fn(&Record) -> bool| -> Vec<String> {
            leaves.iter().filter(|leaf| leaf.record().is_some_and(part)).map(|leaf| leaf.id.clone()).collect()
        };
        let who = lacking(|record| matches!(record.who, Part::Erased(_)));
        let what = lacking(|record| matches!(record.what, Part::Erased(_)));
        let who = erasure::covers(&self.tx, "who", batch, who).await?;
        let what = erasure::covers(&self.tx, "what", batch, what).await?;
        for leaf in leaves {
            let covers = [who.get(&leaf.id), what.get(&leaf.id)];
            leaf.emptied = covers.contains(&Some(&Cover::None));
            leaf.erasure_waits = covers.contains(&Some(&Cover::Waiting));
        }
        Ok(())
    }

    /// Searches the log from a key on (`None` at the beginning) for records that are neither sealed nor waiting.
    /// Returns the key to continue from (`None` at the end) and the finding.
    pub async fn stray_after(&self, id: Option<&str>, limit: u64) -> Result<StrayPage> {
        // The first page also covers keys that sort before every valid key, which only tampering produces.
        let page = if id.is_some() { "id > $1" } else { "id IS NULL OR id <= $1" };
        let sql = format!(
            "SELECT max(id) AS last, min(CASE WHEN places = 0 THEN coalesce(id, '') END) AS stray, \
             min(CASE WHEN places > 1 OR rows > 1 THEN coalesce(id, '') END) AS again \
             FROM (SELECT page.id, count(*) AS rows, count(b.batch) + count(p.record_id) AS places \
             FROM (SELECT id FROM \"AuditLog\" WHERE {page} ORDER BY id LIMIT $2) AS page {PLACES} GROUP BY page.id) AS found"
        );
        let rows =
            self.tx.across_tenants()?.rows(&sql, vec![id.unwrap_or_default().into(), signed(limit).into()]).await?;
        let Some(row) = rows.first() else { return Ok(StrayPage::default()) };
        let text = |name| row.try_get::<Option<String>>("", name);
        let (Ok(last), Ok(stray), Ok(again)) = (text("last"), text("stray"), text("again")) else {
            let finding = Some(Finding::added("(its key is not text)".to_owned()));
            return Ok(StrayPage { next: None, finding });
        };
        let finding = stray.map(Finding::added).or(again.map(Finding::sealed_again));
        Ok(StrayPage { next: if id.is_some() { last } else { Some(String::new()) }, finding })
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
        let rows = self.tx.across_tenants()?.rows(WAITING, vec![]).await?;
        Ok(rows.first().map(|row| {
            let record = lenient(row, "record_id");
            if lenient(row, "gone") { Finding::removed_unsealed(record) } else { Finding::waits_elsewhere(record) }
        }))
    }

    /// Returns the proof that a record was sealed. Fails with [`Error::NotFound`] if it is not sealed. Five statements.
    pub async fn prove(&self, id: &str) -> Result<Proof> {
        const SQL: &str = "SELECT batch, tenant_number FROM rylie_audit_leaf WHERE record_id = $1";
        let missing = Error::NotFound { entity: "sealed record" };
        let Some(row) = self.tx.across_tenants()?.rows(SQL, vec![id.into()]).await?.pop() else { return Err(missing) };
        let (batch, tenant_number) = (unsigned(&row, "batch")?, row.try_get::<i64>("", "tenant_number")?);
        let leaves = self.leaves_of(batch, tenant_number).await?;
        let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf.leaf).collect();
        let index = leaves.iter().position(|leaf| leaf.id == id);
        let place = index.and_then(|index| Some((index, inclusion_path(&hashes, index)?)));
        let (Some((index, path)), Some(tenant)) = (place, tenant_place(&self.tx, batch, tenant_number).await?) else {
            return Err(missing);
        };
        let record = leaves.into_iter().nth(index).and_then(SealedLeaf::into_record).ok_or(missing)?;
        Ok(Proof::new(record, (index as u64, path), tenant, &checkpoint(&self.tx, batch).await?))
    }

    /// Returns the leaves of a tenant in a batch, in order.
    pub async fn leaves_of(&self, batch: u64, tenant_number: i64) -> Result<Vec<SealedLeaf>> {
        let columns = columns(self.tx.engine());
        let sql = format!("SELECT {columns}, {LEAVES} WHERE l.batch = $1 AND l.tenant_number = $2 ORDER BY l.number");
        let rows = self.tx.across_tenants()?.rows(&sql, vec![signed(batch).into(), tenant_number.into()]).await?;
        Ok(rows.iter().map(leaf).collect())
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

fn leaf(row: &QueryResult) -> SealedLeaf {
    let format = Format::of(&lenient::<String>(row, "checkpoint"));
    let read = |row| record(row, &commitments(row)?, format);
    let record = match row.try_get::<Option<String>>("", "id") {
        Ok(None) => StoredRecord::Gone,
        _ if !has_whole_commitments(row) => StoredRecord::Unreadable,
        _ => read(row).map_or(StoredRecord::Unreadable, StoredRecord::Whole),
    };
    SealedLeaf {
        id: lenient(row, "record_id"),
        leaf: digest(row, "leaf"),
        record,
        emptied: false,
        erasure_waits: false,
    }
}

/// Returns whether each salt and commitment of a leaf is absent or has its length.
fn has_whole_commitments(row: &QueryResult) -> bool {
    let is_whole = |name, length| {
        row.try_get::<Option<Vec<u8>>>("", name).is_ok_and(|bytes| bytes.is_none_or(|bytes| bytes.len() == length))
    };
    is_whole("who_salt", 16) && is_whole("what_salt", 16) && is_whole("who", 32) && is_whole("what", 32)
}
