//! Erasing a person from the sealed log: the values and their salts go, the commitments stay, and the proof holds.

use rylie_audit::{Action, Event, Part, Record};
use rylie_entities::UserId;
use sea_orm::{ConnectionTrait, DbBackend, Value};

use crate::Result;
use crate::audit::AuditRepository;
use crate::audit_rows::{RECORD, commitments, record, signed, unsigned};
use crate::fence::Tx;

/// What is there of the user: as who acted, as in whose name, and as the row that was acted on.
const NAMED: &str = "l.who_salt, l.what_salt, l.who, l.what FROM \"AuditLog\" a JOIN rylie_audit_leaf l ON l.record_id = a.id \
     WHERE a.\"userId\" = $1 OR a.\"onBehalfOf\" = $1 OR (a.resource = 'User' AND a.\"resourceId\" = $1) ORDER BY a.id LIMIT $2";

pub(crate) async fn erase(tx: &Tx, user: &UserId, limit: u64) -> Result<u64> {
    let rows =
        tx.audit_rows(&format!("SELECT {RECORD}, {NAMED}"), vec![user.as_str().into(), signed(limit).into()]).await?;
    for row in &rows {
        let record = record(row, &commitments(row)?)?;
        erase_record(tx, &record, user.as_str()).await?;
    }
    if !rows.is_empty() {
        tx.record(Event::new(Action::SubjectErased).with("records", rows.len())).await?;
        tx.refuse_protected().await?;
    }
    Ok(rows.len() as u64)
}

async fn erase_record(tx: &Tx, record: &Record, user: &str) -> Result<()> {
    if let Part::Open { value, .. } = &record.who
        && (value.actor == user || value.on_behalf_of.as_deref() == Some(user))
    {
        erase_part(tx, &record.id, "who", record.who.commitment().0.to_vec()).await?;
    }
    if let Part::Open { value, .. } = &record.what
        && record.resource == "User"
        && value.resource_id.as_deref() == Some(user)
    {
        erase_part(tx, &record.id, "what", record.what.commitment().0.to_vec()).await?;
    }
    Ok(())
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
