//! Erasing a person from the sealed log: values and salts are removed, commitments stay, and proofs still hold.

use std::collections::BTreeMap;

use rylie_audit::{Action, Event, Format, Part, Record, Text};
use rylie_entities::UserId;
use sea_orm::{DbBackend, Value};

use crate::audit::AuditRepository;
use crate::audit::long_texts::complete;
use crate::audit::rows::{
    by_bytes, columns, commitments, cut, details, key_of_leaf, lenient, record, signed, unsigned,
};
use crate::audit::tenant::count;
use crate::tx::Tx;
use crate::{Error, Result};

/// Finds the records that name the user: as actor, as impersonated user, or as target row.
const ON_POSTGRES: &str = "JOIN rylie_audit_leaf l ON l.record_id = a.id JOIN rylie_audit_batch b ON b.batch = l.batch{details} \
     WHERE a.\"userId\" = $1 OR a.\"onBehalfOf\" = $1 OR (a.resource = 'User' AND a.\"resourceId\" = $1) ORDER BY a.id LIMIT $2";

/// As above on SQLite, where an id or a user may be a blob, and an id may be a text that is not UTF-8. The leaf has the
/// text of such an id. A record whose id has a NUL is not found: the record of an erasure cannot name it.
const ON_SQLITE: &str = "JOIN rylie_audit_leaf l ON l.record_id IN (a.id, 'blob ' || hex(a.id), 'bytes ' || lower(hex(a.id))) AND a.id = {key} \
     JOIN rylie_audit_batch b ON b.batch = l.batch WHERE (a.\"userId\" IN ($1, CAST($1 AS BLOB)) \
     OR a.\"onBehalfOf\" IN ($1, CAST($1 AS BLOB)) OR (a.resource = 'User' AND a.\"resourceId\" IN ($1, CAST($1 AS BLOB)))) \
     AND (instr(CAST(a.id AS BLOB), x'00') = 0) = $3 ORDER BY a.id LIMIT $2";

fn named(tx: &Tx) -> String {
    match tx.engine() {
        DbBackend::Sqlite => ON_SQLITE.replace("{key}", key_of_leaf(DbBackend::Sqlite)),
        engine => ON_POSTGRES.replace("{details}", details(engine)),
    }
}

/// Erases the user from at most `limit` records, and fewer where texts are long.
pub(crate) async fn erase(tx: &Tx, user: &UserId, limit: u64) -> Result<u64> {
    let (columns, named, sqlite) = (columns(tx.engine()), named(tx), tx.across_tenants()?.is_sqlite());
    let place = if sqlite { "a.rowid" } else { "0" };
    let page = format!(
        "SELECT l.who_salt, l.what_salt, l.who, l.what, substr(b.checkpoint, 1, 26) AS checkpoint, {place} AS place, \
         {columns} FROM \"AuditLog\" a {named}"
    );
    let mut values = vec![user.as_str().into(), signed(limit).into()];
    values.extend(sqlite.then(|| true.into()));
    let rows = tx.across_tenants()?.rows(&cut(&page, "id"), values).await?;
    let rows = complete(tx, rows, COLUMNS_OF_LEAF).await?;
    let mut erased = Erased::default();
    if !rows.is_empty() {
        tx.become_sealer().await?;
        for log in &rows {
            let format = Format::of(&lenient::<String>(&log.row, "checkpoint"));
            let record = record(log, COLUMNS_OF_LEAF, &commitments(&log.row, 0)?, format)?;
            let place = log.row.try_get::<i64>("", "place").unwrap_or_default();
            erase_record(tx, (&record, place), user.as_str(), &mut erased).await?;
        }
        tx.become_platform().await?;
    }
    let records = erased.records;
    if records > 0 {
        let Erased { who, what, .. } = erased;
        let event = Event::new(Action::SubjectErased).with("records", records);
        tx.record(event.with("who", who).with("what", what)).await?;
        tx.refuse_protected().await?;
    } else if sqlite {
        refuse_unnamed(tx, user, &named).await?;
    }
    Ok(records)
}

/// Fails at the end of an erasure if a record of the user is left because its id has a NUL.
async fn refuse_unnamed(tx: &Tx, user: &UserId, named: &str) -> Result<()> {
    let sql = format!("SELECT count(*) FROM (SELECT a.id FROM \"AuditLog\" a {named})");
    match tx.across_tenants()?.count(&sql, vec![user.as_str().into(), 1.into(), false.into()]).await? {
        0 => Ok(()),
        _ => Err(Error::Invalid {
            what: "a record of this user",
            reason: "its id has a NUL, which no record of an erasure can name; all others are erased",
        }),
    }
}

/// The number of columns before those of the record.
const COLUMNS_OF_LEAF: usize = 6;

/// Ids of records by the part that they lost, for the record of the erasure. They contain no personal data.
#[derive(Default)]
struct Erased {
    records: u64,
    who: Vec<String>,
    what: Vec<String>,
}

async fn erase_record(tx: &Tx, (record, place): (&Record, i64), user: &str, erased: &mut Erased) -> Result<()> {
    let mut parts = 0;
    let blob = format!("blob {}", hex::encode_upper(user));
    let is_user = |text: &Text| *text == user || *text == blob.as_str();
    if let Part::Open { value, .. } = &record.who
        && (is_user(&value.actor) || value.on_behalf_of.as_ref().is_some_and(is_user))
    {
        parts += erase_part(tx, (&record.id, place), "who", record.who.commitment().0.to_vec()).await?;
        erased.who.push(record.id.clone());
    }
    if let Part::Open { value, .. } = &record.what
        && record.resource == "User"
        && value.resource_id.as_ref().is_some_and(is_user)
    {
        parts += erase_part(tx, (&record.id, place), "what", record.what.commitment().0.to_vec()).await?;
        erased.what.push(record.id.clone());
    }
    erased.records += parts.min(1);
    Ok(())
}

/// Whether an erasure explains a missing part.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Cover {
    /// No erasure names it: it was emptied.
    #[default]
    None,
    /// An erasure names it and waits to be sealed.
    Waiting,
    /// An erasure names it that was sealed in a later batch.
    Sealed,
}

/// Finds, for each record that lacks the part, the erasure that names it. The records are given with their batches. Only
/// sealed records are erased, so a sealed erasure is in a later batch, and a verification that reads the record also
/// reads the erasure. Only erasures of the platform count. An erasure names the texts in the array under the name of
/// the part, on SQLite as on PostgreSQL: of two members with one name the last counts. Other details name no record and
/// cause no error.
pub(crate) async fn covers(
    tx: &Tx,
    part: &'static str,
    records: &BTreeMap<String, u64>,
) -> Result<BTreeMap<String, Cover>> {
    if records.is_empty() {
        return Ok(BTreeMap::new());
    }
    let named = if tx.across_tenants()?.is_sqlite() {
        format!(
            "json_each(coalesce((SELECT CASE WHEN member.type = 'array' THEN member.value END FROM \
             json_each(CASE WHEN typeof(a.details) = 'text' AND json_valid(a.details) THEN a.details ELSE '{{}}' END) AS member \
             WHERE member.key = '{part}' ORDER BY member.id DESC LIMIT 1), '[]')) AS named"
        )
    } else {
        format!(
            "LATERAL (SELECT item #>> '{{}}' AS value, CASE jsonb_typeof(item) WHEN 'string' THEN 'text' END AS type \
             FROM jsonb_array_elements(CASE WHEN jsonb_typeof(a.details->'{part}') = 'array' THEN a.details->'{part}' \
             ELSE '[]'::jsonb END) AS item) AS named"
        )
    };
    let ((list, value), by_bytes) = (tx.list_of(&records.keys().cloned().collect::<Vec<_>>()), by_bytes(tx.engine()));
    let sql = format!(
        "SELECT named.value AS id, coalesce(max(b.batch), 0) AS sealed_in, count(p.record_id) AS waiting \
         FROM \"AuditLog\" a CROSS JOIN {named} LEFT JOIN rylie_audit_leaf l ON l.record_id = a.id {by_bytes} \
         LEFT JOIN rylie_audit_batch b ON b.batch = l.batch AND b.removed_at IS NULL AND l.number BETWEEN 0 AND b.records - 1 \
         LEFT JOIN rylie_audit_pending p ON p.record_id = a.id {by_bytes} \
         WHERE a.action = 'SUBJECT_ERASED' AND a.action {by_bytes} = 'SUBJECT_ERASED' AND a.\"tenantId\" {by_bytes} = 'platform' \
         AND named.type = 'text' AND named.value IN (SELECT list.value FROM {list}) GROUP BY named.value"
    );
    let rows = tx.across_tenants()?.rows(&sql, vec![value]).await?;
    let mut covers: BTreeMap<String, Cover> = records.keys().map(|id| (id.clone(), Cover::None)).collect();
    for row in &rows {
        let id: String = lenient(row, "id");
        let cover = match records.get(&id) {
            Some(batch) if count(row, "sealed_in") > *batch => Cover::Sealed,
            _ if count(row, "waiting") > 0 => Cover::Waiting,
            _ => Cover::None,
        };
        covers.insert(id, cover);
    }
    Ok(covers)
}

/// Returns whether the part was there, as 0 or 1.
async fn erase_part(tx: &Tx, (id, place): (&str, i64), part: &'static str, commitment: Vec<u8>) -> Result<u64> {
    if !tx.across_tenants()?.is_sqlite() {
        // Not a plain `SELECT`, which would be classified as a read.
        let sql = "WITH done AS MATERIALIZED (SELECT rylie_audit_erase($1, $2, $3) AS erased) SELECT erased FROM done";
        let rows = tx.across_tenants()?.rows(sql, vec![id.into(), part.into(), commitment.into()]).await?;
        return rows.first().map_or(Ok(0), |row| unsigned(row, "erased"));
    }
    let values: &str = if part == "who" {
        "\"userId\" = 'erased', \"onBehalfOf\" = NULL, \"ipAddress\" = NULL, \"userAgent\" = NULL, \"correlationId\" = NULL"
    } else {
        "\"resourceId\" = NULL, details = NULL"
    };
    tx.across_tenants()?.run("INSERT INTO rylie_audit_keeper (task) VALUES ('erasure')", vec![]).await?;
    let leaf = format!("UPDATE rylie_audit_leaf SET {part} = $2, {part}_salt = NULL WHERE record_id = $1");
    let erased = tx.across_tenants()?.run(&leaf, vec![Value::from(id), commitment.into()]).await?;
    tx.across_tenants()?.run(&format!("UPDATE \"AuditLog\" SET {values} WHERE rowid = $1"), vec![place.into()]).await?;
    tx.across_tenants()?.run("DELETE FROM rylie_audit_keeper", vec![]).await?;
    Ok(erased)
}
