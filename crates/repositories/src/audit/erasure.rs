//! Erasing a person from the sealed log: the values and their salts go, the commitments stay, and the proof holds.

use std::collections::BTreeSet;

use rylie_audit::{Action, Event, Part, Record};
use rylie_entities::UserId;
use sea_orm::{ConnectionTrait, DbBackend, Value};

use crate::Result;
use crate::audit::AuditRepository;
use crate::audit::rows::{RECORD, commitments, lenient, record, signed, unsigned};
use crate::tx::Tx;

/// What is there of the user: as who acted, as in whose name, and as the row that was acted on.
const NAMED: &str = "l.who_salt, l.what_salt, l.who, l.what FROM \"AuditLog\" a JOIN rylie_audit_leaf l ON l.record_id = a.id \
     WHERE a.\"userId\" = $1 OR a.\"onBehalfOf\" = $1 OR (a.resource = 'User' AND a.\"resourceId\" = $1) ORDER BY a.id LIMIT $2";

pub(crate) async fn erase(tx: &Tx, user: &UserId, limit: u64) -> Result<u64> {
    let rows =
        tx.audit_rows(&format!("SELECT {RECORD}, {NAMED}"), vec![user.as_str().into(), signed(limit).into()]).await?;
    let mut erased = Erased::default();
    for row in &rows {
        let record = record(row, &commitments(row)?)?;
        erase_record(tx, &record, user.as_str(), &mut erased).await?;
    }
    if !rows.is_empty() {
        let Erased { who, what } = erased;
        let event = Event::new(Action::SubjectErased).with("records", rows.len());
        tx.record(event.with("who", who).with("what", what)).await?;
        tx.refuse_protected().await?;
    }
    Ok(rows.len() as u64)
}

/// Records by the part that they lost, as the record of the erasure names them. They name nobody.
#[derive(Default)]
struct Erased {
    who: Vec<String>,
    what: Vec<String>,
}

async fn erase_record(tx: &Tx, record: &Record, user: &str, erased: &mut Erased) -> Result<()> {
    if let Part::Open { value, .. } = &record.who
        && (value.actor == user || value.on_behalf_of.as_deref() == Some(user))
    {
        erase_part(tx, &record.id, "who", record.who.commitment().0.to_vec()).await?;
        erased.who.push(record.id.clone());
    }
    if let Part::Open { value, .. } = &record.what
        && record.resource == "User"
        && value.resource_id.as_deref() == Some(user)
    {
        erase_part(tx, &record.id, "what", record.what.commitment().0.to_vec()).await?;
        erased.what.push(record.id.clone());
    }
    Ok(())
}

/// Of records that lack the part, the ones that no erasure in the log names. Whatever else stands in the details of one, and whoever
/// wrote it, it names no record and makes no statement fail; only the platform's count.
pub(crate) async fn unnamed(tx: &Tx, part: &'static str, records: &[String]) -> Result<BTreeSet<String>> {
    if records.is_empty() {
        return Ok(BTreeSet::new());
    }
    let named = if tx.across_tenants()?.get_database_backend() == DbBackend::Sqlite {
        format!("json_each(CASE WHEN json_valid(a.details) THEN a.details ELSE '{{}}' END, '$.{part}') AS named")
    } else {
        format!(
            "LATERAL jsonb_array_elements_text(CASE WHEN jsonb_typeof(a.details->'{part}') = 'array' THEN a.details->'{part}' \
             ELSE '[]'::jsonb END) AS named(value)"
        )
    };
    let (list, value) = tx.list_of(records)?;
    let sql = format!(
        "SELECT list.value AS id FROM {list} EXCEPT SELECT named.value FROM \"AuditLog\" a, {named} \
         WHERE a.action = 'SUBJECT_ERASED' AND a.\"tenantId\" = 'platform'"
    );
    let rows = tx.audit_rows(&sql, vec![value]).await?;
    Ok(rows.iter().map(|row| lenient(row, "id")).collect())
}

async fn erase_part(tx: &Tx, id: &str, part: &'static str, commitment: Vec<u8>) -> Result<()> {
    if tx.across_tenants()?.get_database_backend() != DbBackend::Sqlite {
        // Not a plain `SELECT`, which would count as reading.
        let sql = "WITH done AS MATERIALIZED (SELECT rylie_audit_erase($1, $2, $3) AS erased) SELECT erased FROM done";
        let rows = tx.audit_rows(sql, vec![id.into(), part.into(), commitment.into()]).await?;
        return rows.first().map_or(Ok(()), |row| unsigned(row, "erased").map(|_| ()));
    }
    let values: &str = if part == "who" {
        "\"userId\" = 'erased', \"onBehalfOf\" = NULL, \"ipAddress\" = NULL, \"userAgent\" = NULL, \"correlationId\" = NULL"
    } else {
        "\"resourceId\" = NULL, details = NULL"
    };
    tx.run_across_tenants("INSERT INTO rylie_audit_keeper (task) VALUES ('erasure')", vec![]).await?;
    let leaf = format!("UPDATE rylie_audit_leaf SET {part} = $2, {part}_salt = NULL WHERE record_id = $1");
    tx.run_across_tenants(&leaf, vec![Value::from(id), commitment.into()]).await?;
    tx.run_across_tenants(&format!("UPDATE \"AuditLog\" SET {values} WHERE id = $1"), vec![id.into()]).await?;
    tx.run_across_tenants("DELETE FROM rylie_audit_keeper", vec![]).await.map(|_| ())
}
