//! The records that wait to be sealed: read page by page, and hashed on a thread for such work while the next page is
//! read. Only hashes and keys of order stay in memory.

use std::collections::HashSet;

use rylie_audit::{Commitments, Digest, Error as AuditError, Format, Salt};
use sea_orm::{QueryResult, Value};
use tokio::task::JoinHandle;

use crate::Result;
use crate::audit::leaf_page::text_of;
use crate::audit::log_row::LogRow;
use crate::audit::long_texts::complete;
use crate::audit::rows::{TEXT, by_bytes, bytes_of, columns, details, record, signed};
use crate::tx::Tx;

/// Number of records read at a time.
const PAGE: u64 = 2_500;

/// Maximum text before a page of a batch. Records after it are left to a later batch, so that a transaction stays short.
const TEXT_OF_BATCH: u64 = 32 << 20;

/// A waiting record with the hash of its leaf.
pub(super) struct Hashed {
    /// The position under which it waits.
    pub(super) waits: i64,
    pub(super) id: String,
    pub(super) tenant: String,
    /// Its key of order among the tenant's records.
    pub(super) order: (Option<i64>, i64, String),
    pub(super) leaf: Digest,
    pub(super) salts: [Salt; 2],
    pub(super) quarantined: bool,
}

/// The records of a batch, by ascending position.
pub(super) struct Waiting {
    pub(super) records: Vec<Hashed>,
    /// Whether more may wait.
    pub(super) more: bool,
}

/// A page as the database returned it.
struct Page {
    rows: Vec<LogRow>,
    /// The position from which the next page begins; `None` at the end.
    next: Option<i64>,
    /// The bytes of its texts.
    text: u64,
}

/// Reads and hashes at most `limit` waiting records, oldest position first; fewer where texts are long. A record that
/// is sealed already, or that is missing, is skipped, and so is a second entry of one record: a verification reports it.
pub(super) async fn hashed(tx: &Tx, limit: u64) -> Result<Waiting> {
    let (mut records, mut ids) = (Vec::new(), HashSet::new());
    let (mut from, mut read, mut text) = (Some(i64::MIN), 0, 0);
    let mut hashing: Option<JoinHandle<Result<Vec<Hashed>>>> = None;
    loop {
        let wanted = if text < TEXT_OF_BATCH { PAGE.min(limit.saturating_sub(read)) } else { 0 };
        let (page, done) = tokio::join!(page(tx, from, wanted), ended(hashing.as_mut()));
        let done = done?.into_iter().filter(|record: &Hashed| ids.insert(record.id.clone()));
        records.extend(done);
        let Some(page) = page? else {
            skip_texts_that_are_sealed(tx, &mut records).await?;
            return Ok(Waiting { records, more: from.is_some() });
        };
        from = page.next;
        text += page.text;
        read += page.rows.len() as u64;
        hashing = Some(tokio::task::spawn_blocking(move || hash(&page.rows)));
    }
}

/// Skips a record on SQLite whose id is not UTF-8, if another record is sealed under the text of that id. Two such
/// records have one place, so the later one waits for ever. The statement of a page cannot see this.
async fn skip_texts_that_are_sealed(tx: &Tx, records: &mut Vec<Hashed>) -> Result<()> {
    let texts: Vec<String> =
        records.iter().filter(|record| record.id.starts_with("bytes ")).map(|record| record.id.clone()).collect();
    if texts.is_empty() || !tx.across_tenants()?.is_sqlite() {
        return Ok(());
    }
    let (list, value) = tx.list_of(&texts);
    let sql = format!("SELECT list.value AS id FROM {list} JOIN rylie_audit_leaf l ON l.record_id = list.value");
    let sealed = tx.across_tenants()?.rows(&sql, vec![value]).await?;
    let sealed = sealed.iter().map(|row| Ok(row.try_get("", "id")?)).collect::<Result<HashSet<String>>>()?;
    records.retain(|record| !sealed.contains(&record.id));
    Ok(())
}

async fn ended(hashing: Option<&mut JoinHandle<Result<Vec<Hashed>>>>) -> Result<Vec<Hashed>> {
    match hashing {
        Some(hashing) => hashing.await.map_err(|_| AuditError::HashingEnded)?,
        None => Ok(Vec::new()),
    }
}

/// Reads the page from a position; `None` if there is nothing to read.
async fn page(tx: &Tx, from: Option<i64>, wanted: u64) -> Result<Option<Page>> {
    let Some(from) = from.filter(|_| wanted > 0) else { return Ok(None) };
    let (mut rows, text) = read(tx, vec![from.into(), signed(wanted).into()]).await?;
    let last: Option<i64> = rows.last().map(|row| row.try_get_by_index(0)).transpose()?;
    let waits = |row: &QueryResult| -> Result<bool> {
        Ok(!row.try_get_by_index::<bool>(1)? && row.try_get_by_index::<Option<String>>(2).ok() != Some(None))
    };
    let kept = rows.iter().map(waits).collect::<Result<Vec<bool>>>()?;
    let mut kept = kept.into_iter();
    rows.retain(|_| kept.next().unwrap_or_default());
    Ok(Some(Page { rows: complete(tx, rows, 2).await?, next: last.and_then(|last| last.checked_add(1)), text }))
}

/// Reads the position, whether the record is sealed, and the record. Returns the bytes of the texts, too.
///
/// On PostgreSQL the entries are chosen first, and each finds its record and its leaf by key: the planner would otherwise
/// join and sort everything that waits, for every page. SQLite is as for a page of leaves.
async fn read(tx: &Tx, values: Vec<Value>) -> Result<(Vec<QueryResult>, u64)> {
    // A position of SQLite's that is no number is named by a verification.
    let numbers = if tx.across_tenants()?.is_sqlite() { " AND typeof(position) = 'integer'" } else { "" };
    let chosen = format!(
        "SELECT position, record_id FROM rylie_audit_pending WHERE position >= $1{numbers} ORDER BY position LIMIT $2"
    );
    let (columns, sqlite, by_bytes) = (columns(tx.engine()), tx.across_tenants()?.is_sqlite(), by_bytes(tx.engine()));
    let id = if sqlite {
        "CASE typeof(p.record_id) WHEN 'blob' THEN 'blob ' || hex(p.record_id) ELSE p.record_id END"
    } else {
        "p.record_id"
    };
    let sealed = format!(
        "(SELECT s.batch FROM rylie_audit_leaf s WHERE s.record_id = {id} {by_bytes} LIMIT 1) IS NOT NULL AS sealed"
    );
    let from = format!("FROM ({chosen}) AS p LEFT JOIN \"AuditLog\" a ON a.id = p.record_id {by_bytes}");
    let page = if sqlite {
        format!("SELECT p.position AS waits, {sealed}, {columns} {from}")
    } else {
        format!(
            "SELECT p.position AS waits, {sealed}, a.* FROM ({chosen}) AS p LEFT JOIN LATERAL \
             (SELECT {columns} FROM \"AuditLog\" a{} WHERE a.id = p.record_id {by_bytes} OFFSET 0) AS a ON true",
            details(tx.engine())
        )
    };
    if sqlite {
        let text = tx.across_tenants()?.count(&format!("SELECT {} {from}", text_of()), values.clone()).await?;
        if text < TEXT {
            let rows = tx.across_tenants()?.rows(&format!("{page} ORDER BY p.position"), values).await?;
            return Ok((rows, text));
        }
    }
    let sql = format!(
        "SELECT * FROM (SELECT page.*, sum({}) OVER (ORDER BY waits ROWS UNBOUNDED PRECEDING) AS text \
         FROM ({page}) AS page) AS counted WHERE coalesce(text, 0) - ({}) < {TEXT} ORDER BY waits",
        bytes_of("page"),
        bytes_of("counted")
    );
    let rows = tx.across_tenants()?.rows(&sql, values).await?;
    let text = match rows.last() {
        Some(row) => row.try_get::<Option<i64>>("", "text")?.unwrap_or_default().unsigned_abs(),
        None => 0,
    };
    Ok((rows, text))
}

/// Draws the salts of the records and hashes them.
fn hash(rows: &[LogRow]) -> Result<Vec<Hashed>> {
    let salts = Salt::random(rows.len() * 2)?;
    let hashed = |(row, salts): (&LogRow, &[Salt])| {
        let salts = [salts[0], salts[1]];
        let record = record(row, 2, &Commitments::fresh(salts[0], salts[1]), Format::Two)?;
        let (leaf, order, quarantined) = (record.leaf(), record.order(), record.unreadable.is_some());
        let waits = row.row.try_get_by_index(0)?;
        Ok(Hashed { waits, id: record.id, tenant: record.tenant, order, leaf, salts, quarantined })
    };
    rows.iter().zip(salts.chunks_exact(2)).map(hashed).collect()
}
