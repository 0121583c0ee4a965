//! Checks that the tables of the seals contain exactly what the checkpoints count. Every leaf and every tenant's entry
//! has one position in one batch, and every position is used once. No check relies on keys or indexes, because a
//! superuser may have dropped them.

use rylie_audit::{Finding, Tampering};
use sea_orm::QueryResult;

use crate::Result;
use crate::audit::rows::{key_of_leaf, lenient, signed};
use crate::audit::tenant::count;
use crate::tx::Tx;

/// A check of the batches from `$1` to `$2`. It selects what is wrong: a batch, and a record where one can be named.
struct Check {
    what: Tampering,
    detail: &'static str,
    sql: &'static str,
}

const CHECKS: [Check; 5] = [
    Check {
        what: Tampering::Added,
        detail: "a leaf was added that the batch does not count",
        sql: "SELECT l.batch, l.record_id FROM rylie_audit_leaf l JOIN rylie_audit_batch b ON b.batch = l.batch \
             LEFT JOIN rylie_audit_tenant t ON t.batch = l.batch AND t.number = l.tenant_number \
             WHERE l.batch BETWEEN $1 AND $2 AND (l.number < 0 OR l.number >= b.records OR b.removed_at IS NOT NULL \
             OR t.batch IS NULL) ORDER BY l.batch, l.number LIMIT 1",
    },
    Check {
        what: Tampering::CountShort,
        detail: "its number of leaves differs from its count, or a leaf's number repeats",
        sql: "SELECT b.batch, NULL AS record_id FROM rylie_audit_batch b LEFT JOIN (SELECT batch, count(*) AS rows, \
             count(DISTINCT number) AS numbers FROM rylie_audit_leaf WHERE batch BETWEEN $1 AND $2 GROUP BY batch) l ON l.batch = b.batch \
             WHERE b.batch BETWEEN $1 AND $2 AND b.removed_at IS NULL \
             AND (coalesce(l.rows, 0) <> b.records OR coalesce(l.numbers, 0) <> b.records) ORDER BY b.batch LIMIT 1",
    },
    Check {
        what: Tampering::CountShort,
        detail: "a tenant's number of leaves differs from the count of its entry",
        // One aggregate of both tables, not a join: for many tenants the planner would compare each entry with each leaf.
        sql: "SELECT batch, NULL AS record_id FROM (SELECT t.batch, t.number, t.records FROM rylie_audit_tenant t \
             JOIN rylie_audit_batch b ON b.batch = t.batch AND b.removed_at IS NULL WHERE t.batch BETWEEN $1 AND $2 \
             UNION ALL SELECT batch, tenant_number, -count(*) FROM rylie_audit_leaf WHERE batch BETWEEN $1 AND $2 GROUP BY batch, tenant_number) AS counts \
             GROUP BY batch, number HAVING sum(records) <> 0 ORDER BY batch LIMIT 1",
    },
    Check {
        what: Tampering::CountShort,
        detail: "its tenants' entries are not numbered consecutively, or their counts do not add up to that of the batch",
        sql: "SELECT b.batch, NULL AS record_id FROM rylie_audit_batch b LEFT JOIN (SELECT batch, count(*) AS rows, \
             count(DISTINCT number) AS numbers, min(number) AS first, max(number) AS last, sum(records) AS records \
             FROM rylie_audit_tenant WHERE batch BETWEEN $1 AND $2 GROUP BY batch) t ON t.batch = b.batch \
             WHERE b.batch BETWEEN $1 AND $2 AND (coalesce(t.records, 0) <> b.records \
             OR coalesce(t.numbers <> t.rows OR t.first <> 0 OR t.last <> t.rows - 1, false)) ORDER BY b.batch LIMIT 1",
    },
    Check {
        what: Tampering::Removed,
        detail: "the record was sealed and is gone",
        sql: "SELECT l.batch, l.record_id FROM rylie_audit_leaf l LEFT JOIN \"AuditLog\" a ON a.id = {key} \
             WHERE l.batch BETWEEN $1 AND $2 AND a.id IS NULL ORDER BY l.batch, l.number LIMIT 1",
    },
];

/// Leaves and entries outside the existing batches: before the first, or after the last, which is `$1`.
const OUTSIDE: [&str; 2] = [
    "SELECT batch, record_id FROM rylie_audit_leaf WHERE batch < 1 OR batch > $1 LIMIT 1",
    "SELECT batch, NULL AS record_id FROM rylie_audit_tenant WHERE batch < 1 OR batch > $1 LIMIT 1",
];

/// Selects values of another type than their column's. SQLite stores values of any type in a column, compares numbers by
/// type, and reads a text as bytes.
const OTHER_TYPES: &str = "SELECT 0 AS batch, NULL AS record_id FROM rylie_audit_batch WHERE typeof(batch) <> 'integer' \
     UNION ALL SELECT 0, NULL FROM rylie_audit_tenant WHERE typeof(batch) <> 'integer' OR typeof(number) <> 'integer' OR typeof(root) <> 'blob' \
     UNION ALL SELECT 0, NULL FROM rylie_audit_pending WHERE typeof(position) <> 'integer' \
     UNION ALL SELECT 0, CAST(record_id AS text) FROM rylie_audit_leaf \
     WHERE typeof(batch) <> 'integer' OR typeof(number) <> 'integer' OR typeof(tenant_number) <> 'integer' OR typeof(leaf) <> 'blob' \
     OR typeof(who_salt) NOT IN ('blob', 'null') OR typeof(what_salt) NOT IN ('blob', 'null') \
     OR typeof(who) NOT IN ('blob', 'null') OR typeof(what) NOT IN ('blob', 'null') LIMIT 1";

const BATCHES: &str = "SELECT count(*) AS rows, count(DISTINCT batch) AS numbers, coalesce(min(batch), 1) AS first, coalesce(max(batch), 0) AS last \
     FROM rylie_audit_batch";

/// Returns the first finding in the tables as a whole. [`batches`] checks the batches up to `last`.
pub(crate) async fn tables(tx: &Tx, last: u64) -> Result<Option<Finding>> {
    let found = tx.across_tenants()?.rows(BATCHES, vec![]).await?;
    let [rows, numbers, first, end] =
        ["rows", "numbers", "first", "last"].map(|name| found.first().map_or(0, |row| count(row, name)));
    if (rows, numbers, first, end) != (last, last, 1, last) {
        let detail = "the batches are not numbered from 1, each once";
        return Ok(Some(Finding::in_batch(Tampering::ForgedCheckpoint, last, detail)));
    }
    let added = |row: &QueryResult| finding(row, Tampering::Added, "it belongs to a batch that was never sealed");
    for sql in OUTSIDE {
        if let Some(row) = tx.across_tenants()?.rows(sql, vec![signed(last).into()]).await?.first() {
            return Ok(Some(added(row)));
        }
    }
    if tx.across_tenants()?.is_sqlite()
        && let Some(row) = tx.across_tenants()?.rows(OTHER_TYPES, vec![]).await?.first()
    {
        return Ok(Some(finding(
            row,
            Tampering::Changed,
            "a value in the tables of the seals has another type than its column",
        )));
    }
    Ok(None)
}

/// Returns the first finding in the batches of a range.
pub(crate) async fn batches(tx: &Tx, first: u64, last: u64) -> Result<Option<Finding>> {
    for Check { what, detail, sql } in CHECKS {
        let sql = sql.replace("{key}", key_of_leaf(tx.engine()));
        if let Some(row) =
            tx.across_tenants()?.rows(&sql, vec![signed(first).into(), signed(last).into()]).await?.first()
        {
            return Ok(Some(finding(row, what, detail)));
        }
    }
    Ok(None)
}

fn finding(row: &QueryResult, what: Tampering, detail: &str) -> Finding {
    let record = row.try_get::<Option<String>>("", "record_id").unwrap_or_default();
    Finding { record, ..Finding::in_batch(what, lenient::<i64>(row, "batch").try_into().unwrap_or_default(), detail) }
}
