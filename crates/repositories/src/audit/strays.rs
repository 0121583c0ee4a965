//! The search for records that are neither sealed nor waiting, or that are so more than once.
//!
//! The tables are read range by range of the record's key, and counted by key. No key and no index is evidence: a
//! superuser may have dropped them, so a range is a condition on each table.

use rylie_audit::Finding;
use sea_orm::Value;

use crate::Result;
use crate::audit::rows::{by_bytes, key_of_leaf, lenient, signed};
use crate::tx::Tx;

/// A page of the search for unsealed records, from [`AuditReader::stray_after`](super::AuditReader::stray_after).
#[derive(Debug, Default)]
pub struct StrayPage {
    /// The key after which the next page begins; `None` at the end of the log.
    pub next: Option<String>,
    /// A record that is neither sealed nor waiting, or that is sealed twice.
    pub finding: Option<Finding>,
}

/// Counts the rows and the places of each record of a range: a leaf of an existing batch, or waiting. `{…}` is the
/// condition of the range.
const FOUND: &str = "SELECT coalesce(id, '') AS id, places FROM (SELECT id {by_bytes} AS id, sum(in_log) AS in_log, sum(place) AS places FROM (\
     SELECT id {by_bytes} AS id, 1 AS in_log, 0 AS place FROM \"AuditLog\" WHERE {id} \
     UNION ALL SELECT l.record_id {by_bytes}, 0, CASE WHEN b.batch IS NULL THEN 0 ELSE 1 END FROM rylie_audit_leaf l {batch} WHERE {l.record_id}{others} \
     UNION ALL SELECT record_id {by_bytes}, 0, 1 FROM rylie_audit_pending WHERE {record_id}) AS counted GROUP BY id {by_bytes}) AS found \
     WHERE in_log >= 1 AND (in_log > 1 OR places <> 1) ORDER BY id {by_bytes} LIMIT 1";

const BATCH: &str = "LEFT JOIN rylie_audit_batch b ON b.batch = l.batch AND b.batch >= 1 AND b.removed_at IS NULL";

/// SQLite's few leaves of records whose id is a blob, or a text that is not UTF-8: they belong to the range of that id.
const OTHERS: &str = " AND NOT (l.record_id GLOB 'blob *' OR l.record_id GLOB 'bytes *') \
     UNION ALL SELECT id, 0, place FROM (SELECT {key} AS id, CASE WHEN b.batch IS NULL THEN 0 ELSE 1 END AS place FROM rylie_audit_leaf l {batch} \
     WHERE l.record_id {by_bytes} BETWEEN 'blob ' AND 'blob!' OR l.record_id {by_bytes} BETWEEN 'bytes ' AND 'bytes!') AS others WHERE {id}";

/// Searches a range of `limit` records after a key; `None` at the beginning. The first range also covers keys that sort
/// before every valid key, the last one those after.
pub(crate) async fn after(tx: &Tx, id: Option<&str>, limit: u64) -> Result<StrayPage> {
    let next = end_of_range(tx, id, limit).await?;
    let (range, values): (&str, Vec<Value>) = match (id, next.as_deref()) {
        (None, None) => ("1 = 1", vec![]),
        (None, Some(next)) => ("({} IS NULL OR {} {by_bytes} <= CAST($1 AS TEXT))", vec![tx.text_of(next)]),
        (Some(id), None) => ("{} {by_bytes} > CAST($1 AS TEXT)", vec![tx.text_of(id)]),
        (Some(id), Some(next)) => (
            "{} {by_bytes} > CAST($1 AS TEXT) AND {} {by_bytes} <= CAST($2 AS TEXT)",
            vec![tx.text_of(id), tx.text_of(next)],
        ),
    };
    let others = if tx.across_tenants()?.is_sqlite() { OTHERS } else { "" };
    let sql = FOUND.replace("{others}", others).replace("{batch}", BATCH).replace("{key}", key_of_leaf(tx.engine()));
    let sql = ["id", "l.record_id", "record_id"]
        .into_iter()
        .fold(sql, |sql, column| sql.replace(&format!("{{{column}}}"), &range.replace("{}", column)));
    let sql = sql.replace("{by_bytes}", by_bytes(tx.engine()));
    use_indexes(tx, false).await?;
    let rows = tx.across_tenants()?.rows(&sql, values).await?;
    use_indexes(tx, true).await?;
    let Some(row) = rows.first() else { return Ok(StrayPage { next, finding: None }) };
    let id = row.try_get("", "id").unwrap_or_else(|_| "(its key is not text)".to_owned());
    let finding = if lenient::<i64>(row, "places") == 0 { Finding::added(id) } else { Finding::sealed_again(id) };
    Ok(StrayPage { next, finding: Some(finding) })
}

/// Lets the planner use indexes, or not: one without a row, which a superuser can make, would hide that row. PostgreSQL
/// only: on SQLite the indexes were compared with their tables.
async fn use_indexes(tx: &Tx, on: bool) -> Result<()> {
    if tx.across_tenants()?.is_sqlite() {
        return Ok(());
    }
    let scans = ["enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"];
    let on = if on { "on" } else { "off" };
    let set = scans.map(|scan| format!("pg_catalog.set_config('{scan}', '{on}', true)")).join(", ");
    let sql = format!("SELECT {set}, pg_catalog.set_config('enable_seqscan', 'on', true)");
    tx.across_tenants()?.rows(&sql, vec![]).await.map(drop)
}

/// Returns the last key of the range; `None` if the range has no end. Keys that are no text are in the last range.
async fn end_of_range(tx: &Tx, id: Option<&str>, limit: u64) -> Result<Option<String>> {
    const SQL: &str =
        "SELECT id FROM \"AuditLog\" WHERE id {by_bytes} > CAST($1 AS TEXT) ORDER BY id {by_bytes} LIMIT 1 OFFSET $2";
    let sql = SQL.replace("{by_bytes}", by_bytes(tx.engine()));
    let values = vec![tx.text_of(id.unwrap_or_default()), signed(limit.max(1) - 1).into()];
    let rows = tx.across_tenants()?.rows(&sql, values).await?;
    Ok(rows.first().and_then(|row| row.try_get("", "id").ok()))
}
