//! Pages of sealed leaves with their records, for a verification that reads the log in one pass.

use std::collections::BTreeMap;

use rylie_audit::{Format, HashedLeaf, HashedRecord, SealedLeaf, SealedTenant, StoredRecord, Text};
use sea_orm::{QueryResult, Value};

use crate::Result;
use crate::audit::erasure::{Cover, covers};
use crate::audit::log_row::LogRow;
use crate::audit::long_texts::complete;
use crate::audit::rows::{
    TEXT, TEXTS, columns, cut, details, digest, key_of_leaf, lenient, record, signed, whole_commitments,
};
use crate::audit::tenant::count;
use crate::tx::Tx;

/// A place in the order of the leaves: the batch, and the number in it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LeafPlace {
    /// The batch.
    pub batch: u64,
    /// The number of the leaf in its batch; the next page begins after the last one.
    pub number: i64,
}

/// A tenant's entry with its place, from [`AuditReader::tenants_after`](super::AuditReader::tenants_after).
#[derive(Clone, Debug)]
pub struct PlacedTenant {
    /// Its place.
    pub place: LeafPlace,
    /// The entry.
    pub tenant: SealedTenant,
}

/// A leaf with its place, from [`LeafPage::hashed`].
#[derive(Clone, Debug)]
pub struct PlacedLeaf {
    /// Its place.
    pub place: LeafPlace,
    /// The number of its tenant in the batch.
    pub tenant_number: i64,
    /// The leaf.
    pub leaf: HashedLeaf,
}

/// A page of leaves as the database returned them, from [`AuditReader::leaves_after`](super::AuditReader::leaves_after).
#[derive(Debug)]
pub struct LeafPage {
    rows: Vec<LogRow>,
    formats: BTreeMap<u64, Format>,
}

impl LeafPage {
    /// Returns the place after which the next page begins; `None` at the end.
    #[must_use]
    pub fn last(&self) -> Option<LeafPlace> {
        self.rows.last().map(|row| place(&row.row))
    }

    /// Decodes and hashes the leaves, in order. Waits for nothing and takes milliseconds, so call it on a thread for such
    /// work.
    #[must_use]
    pub fn hashed(self) -> Vec<PlacedLeaf> {
        let leaf = |row: &LogRow| {
            let place = place(&row.row);
            let format = self.formats.get(&place.batch).copied().unwrap_or(Format::Two);
            PlacedLeaf { place, tenant_number: number(&row.row, 2), leaf: leaf(row, format).into() }
        };
        self.rows.iter().map(leaf).collect()
    }
}

/// Returns the selection of the bytes of the texts of a page on SQLite. It reads lengths only.
pub(crate) fn text_of() -> String {
    let lengths = TEXTS.iter().chain(&["details"]).map(|name| {
        format!("CASE WHEN octet_length(a.\"{name}\") <= {} THEN octet_length(a.\"{name}\") ELSE 0 END", Text::LONGEST)
    });
    format!("coalesce(sum({}), 0)", lengths.collect::<Vec<_>>().join(" + "))
}

/// The columns of a leaf; those of the record follow.
const LEAF: &str = "l.batch, l.number, l.tenant_number, l.record_id, l.leaf, l.who_salt, l.what_salt, l.who, l.what";

/// The number of columns of a leaf.
const COLUMNS_OF_LEAF: usize = 9;

/// Reads the leaves after the place `$1`, `$2`, in order: at most `$3`, and fewer where texts are long.
///
/// On PostgreSQL the leaves are chosen first, and each finds its record by its key (`OFFSET 0`): for a page of a large log
/// the planner would otherwise read the whole log. The order of the leaves is kept, so nothing is sorted. On SQLite a
/// second statement measures the text, because a running sum would copy every row twice; only a page with long texts has
/// one.
async fn rows(tx: &Tx, values: Vec<Value>) -> Result<Vec<QueryResult>> {
    let (columns, sqlite) = (columns(tx.engine()), tx.across_tenants()?.is_sqlite());
    let chosen = format!(
        "SELECT {LEAF} FROM rylie_audit_leaf l WHERE (l.batch, l.number) > ($1, $2) ORDER BY l.batch, l.number LIMIT $3"
    );
    let key = key_of_leaf(tx.engine());
    let from = format!("FROM ({chosen}) AS l LEFT JOIN \"AuditLog\" a ON a.id = {key}");
    let page = if sqlite {
        format!("SELECT {LEAF}, {columns} {from}")
    } else {
        format!(
            "SELECT {LEAF}, a.* FROM ({chosen}) AS l LEFT JOIN LATERAL \
             (SELECT {columns} FROM \"AuditLog\" a{} WHERE a.id = {key} OFFSET 0) AS a ON true",
            details(tx.engine())
        )
    };
    if sqlite && tx.across_tenants()?.count(&format!("SELECT {} {from}", text_of()), values.clone()).await? < TEXT {
        return tx.across_tenants()?.rows(&format!("{page} ORDER BY l.batch, l.number"), values).await;
    }
    let sql = cut(&page, "batch, number");
    tx.across_tenants()?.rows(&sql, values).await
}

/// Reads all leaves that satisfy `condition`, in order, with their records.
pub(crate) async fn all(tx: &Tx, condition: &str, values: Vec<Value>) -> Result<Vec<LogRow>> {
    let (columns, details, key) = (columns(tx.engine()), details(tx.engine()), key_of_leaf(tx.engine()));
    let sql = format!(
        "SELECT {LEAF}, {columns} FROM rylie_audit_leaf l LEFT JOIN \"AuditLog\" a ON a.id = {key}{details} \
         WHERE {condition} ORDER BY l.batch, l.number"
    );
    let rows = tx.across_tenants()?.rows(&sql, values).await?;
    complete(tx, rows, COLUMNS_OF_LEAF).await
}

/// Reads the page after a place. Two statements, and one more on SQLite.
pub(crate) async fn read(tx: &Tx, after: LeafPlace, limit: u64) -> Result<LeafPage> {
    let values = vec![signed(after.batch).into(), after.number.into(), signed(limit).into()];
    let rows = complete(tx, rows(tx, values).await?, COLUMNS_OF_LEAF).await?;
    let formats = match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => formats(tx, place(&first.row).batch, place(&last.row).batch).await?,
        _ => BTreeMap::new(),
    };
    Ok(LeafPage { rows, formats })
}

/// Returns the formats of the batches of a range.
pub(crate) async fn formats(tx: &Tx, first: u64, last: u64) -> Result<BTreeMap<u64, Format>> {
    const SQL: &str =
        "SELECT batch, substr(checkpoint, 1, 26) AS checkpoint FROM rylie_audit_batch WHERE batch BETWEEN $1 AND $2";
    let rows = tx.across_tenants()?.rows(SQL, vec![signed(first).into(), signed(last).into()]).await?;
    Ok(rows.iter().map(|row| (count(row, "batch"), Format::of(&lenient::<String>(row, "checkpoint")))).collect())
}

/// Returns the place in the first two columns. What is no number comes after every number, as in SQLite's order.
pub(crate) fn place(row: &QueryResult) -> LeafPlace {
    let batch = row.try_get_by_index::<i64>(0).ok().and_then(|batch| batch.try_into().ok());
    LeafPlace { batch: batch.unwrap_or(u64::MAX), number: number(row, 1) }
}

/// Returns a number, likewise.
fn number(row: &QueryResult, at: usize) -> i64 {
    row.try_get_by_index(at).unwrap_or(i64::MAX)
}

/// Decodes a row of [`rows`].
pub(crate) fn leaf(log: &LogRow, format: Format) -> SealedLeaf {
    let row = &log.row;
    let record = match (row.try_get_by_index::<Option<String>>(COLUMNS_OF_LEAF), whole_commitments(row, 5)) {
        (Ok(None), _) => StoredRecord::Gone,
        (_, None) => StoredRecord::Unreadable,
        (_, Some(commitments)) => {
            record(log, COLUMNS_OF_LEAF, &commitments, format).map_or(StoredRecord::Unreadable, StoredRecord::Whole)
        }
    };
    SealedLeaf {
        id: row.try_get_by_index(3).unwrap_or_default(),
        leaf: digest(row, "leaf"),
        record,
        emptied: false,
        erasure_waits: false,
    }
}

/// Sets the flags of leaves that lack a part. Up to two statements; none where nothing is missing.
pub(crate) async fn look_for_erasures(tx: &Tx, leaves: &mut [PlacedLeaf]) -> Result<()> {
    let mut lacking = [BTreeMap::new(), BTreeMap::new()];
    for PlacedLeaf { place, leaf, .. } in leaves.iter() {
        let HashedRecord::Whole { who_erased, what_erased, .. } = leaf.record else { continue };
        for (part, _) in lacking.iter_mut().zip([who_erased, what_erased]).filter(|(_, is_erased)| *is_erased) {
            let batch = part.entry(leaf.id.clone()).or_default();
            *batch = place.batch.max(*batch);
        }
    }
    let (who, what) = (covers(tx, "who", &lacking[0]).await?, covers(tx, "what", &lacking[1]).await?);
    for PlacedLeaf { leaf, .. } in leaves {
        let covers = [who.get(&leaf.id), what.get(&leaf.id)];
        leaf.emptied = covers.contains(&Some(&Cover::None));
        leaf.erasure_waits = covers.contains(&Some(&Cover::Waiting));
    }
    Ok(())
}
