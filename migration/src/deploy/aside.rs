//! Keeps the audit log while its migrations are reverted.
//!
//! Reverting drops the seals and four columns of the log, and the base's log may name users only. Before that, the log
//! and its seals are copied to tables of their own. The next deploy restores from these copies what the old schema
//! could not hold. A sealed log therefore still verifies after an adoption that was undone and done again.

use rylie_driver::literal;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::operator;
use crate::step::{Engine, Target};

/// The migration that adds columns to the log. The next deploy restores the records after it.
const COLUMNS: &str = "m20261124_000011_add_audit_columns";

/// The migration that creates the tables of the seals. Its reversal is the first that loses something.
const SEALS: &str = "m20261124_000012_create_audit_seals";

/// The copy of the log.
pub(crate) const RECORDS: &str = "rylie_aside_records";

/// Each table with its copy.
const COPIES: [(&str, &str); 5] = [
    ("AuditLog", RECORDS),
    ("rylie_audit_pending", "rylie_aside_pending"),
    ("rylie_audit_batch", "rylie_aside_batch"),
    ("rylie_audit_tenant", "rylie_aside_tenant"),
    ("rylie_audit_leaf", "rylie_aside_leaf"),
];

/// The columns of the log that the base lacks.
const OURS: [&str; 4] = ["position", "\"onBehalfOf\"", "\"correlationId\"", "\"tenantId\""];

/// The names of the copies.
pub(crate) const COPY_NAMES: [&str; 5] = [COPIES[0].1, COPIES[1].1, COPIES[2].1, COPIES[3].1, COPIES[4].1];

/// Copies the log and its seals, if this migration's reversal is the first that loses something of them. One
/// transaction; other sessions may go on reading and adding. Returns whether it made tables, to which the default
/// privileges of the database apply.
pub(crate) async fn keep(connection: &mut Connection, reverted: &str) -> Result<bool> {
    if reverted != SEALS || !is_whole(connection).await? {
        return Ok(false);
    }
    let forced = forces(connection).await?;
    let mut statements = vec!["BEGIN".to_owned()];
    if connection.engine() == Engine::Postgres {
        statements.push("SET LOCAL lock_timeout = '5s'".to_owned());
    }
    statements.extend(forced.then(|| exempt_owner("NO FORCE")));
    statements.extend(COPY_NAMES.map(|copy| format!("DROP TABLE IF EXISTS {copy}")));
    statements.extend(COPIES.map(|(table, copy)| format!("CREATE TABLE {copy} AS SELECT * FROM \"{table}\"")));
    statements.extend(forced.then(|| exempt_owner("FORCE")));
    statements.push("COMMIT".to_owned());
    connection.at_once(&statements.join("; "), "copying the audit log and its seals").await?;
    let empty = is_empty(connection).await?;
    if empty {
        forget(connection).await?;
    }
    Ok(!empty)
}

/// Returns the statements that restore what was kept, for the end of this migration's transaction.
pub(crate) async fn restoration(connection: &mut Connection, applied: &str) -> Result<Vec<String>> {
    let failed = Error::doing("looking for audit records that were set aside");
    if applied == operator::NEEDS_USERS {
        return operator::events_back(connection).await;
    }
    if ![COLUMNS, SEALS].contains(&applied) || !connection.has_table(RECORDS).await.map_err(failed)? {
        return Ok(Vec::new());
    }
    let engine = connection.engine();
    if applied == SEALS {
        return Ok(seals());
    }
    let forced = forces(connection).await?;
    let mut statements = Vec::new();
    statements.extend(forced.then(|| exempt_owner("NO FORCE")));
    statements.extend(positions(engine));
    statements.extend(records());
    statements.extend(forced.then(|| exempt_owner("FORCE")));
    Ok(statements)
}

/// Returns whether records of the log were set aside.
pub(crate) async fn has_records(connection: &mut Connection) -> Result<bool> {
    let failed = Error::doing("looking for audit records that were set aside");
    Ok(connection.has_table(RECORDS).await.map_err(failed)? || operator::has_events_aside(connection).await?)
}

/// Returns whether the rows of this table are copied, as far as they exist.
pub(crate) fn keeps(table: &str) -> bool {
    COPIES.iter().any(|(copied, _)| *copied == table)
}

/// Drops the copies.
pub(crate) async fn forget(connection: &mut Connection) -> Result<()> {
    for copy in COPY_NAMES {
        let sql = format!("DROP TABLE IF EXISTS {copy}");
        connection.execute(&sql).await.map_err(Error::doing("dropping copies of the audit log"))?;
    }
    Ok(())
}

/// Returns whether nothing has been dropped yet. After an interruption, the copies are complete already.
async fn is_whole(connection: &mut Connection) -> Result<bool> {
    for (table, _) in COPIES {
        if !connection.has_table(table).await.map_err(Error::doing("looking for the tables of the audit log"))? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_empty(connection: &mut Connection) -> Result<bool> {
    let sql = format!(
        "SELECT 'yes' FROM (SELECT id FROM {RECORDS} UNION ALL SELECT checkpoint FROM rylie_aside_batch) kept LIMIT 1"
    );
    Ok(connection.ask(&sql, "looking for audit records").await?.is_none())
}

/// Returns whether row-level security applies to the owner of the log.
async fn forces(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT 'yes' FROM pg_class WHERE oid = to_regclass('public.\"AuditLog\"') AND relforcerowsecurity";
    Ok(connection.ask_postgres(sql, "reading whether row-level security is forced").await?.is_some())
}

fn exempt_owner(force: &str) -> String {
    format!("ALTER TABLE \"AuditLog\" {force} ROW LEVEL SECURITY")
}

/// The statement that lets positions continue after those that were kept, if any were. PostgreSQL.
pub(crate) fn positions_if_kept() -> String {
    let statements = positions(Engine::Postgres).join("; ");
    format!(
        "DO $kept$ BEGIN IF to_regclass('public.{RECORDS}') IS NOT NULL THEN EXECUTE {}; END IF; END $kept$",
        literal(&statements)
    )
}

/// Continues the positions after those that were kept. The sequence is never set back: another session may take its next
/// value at any moment.
fn positions(engine: Engine) -> Vec<String> {
    let last = "SELECT position FROM rylie_aside_records UNION ALL SELECT position FROM rylie_aside_pending";
    match engine {
        Engine::Postgres => vec![format!(
            "SELECT setval('public.rylie_audit_position', kept.last) FROM (SELECT max(position) AS last FROM ({last}) k) kept, \
             public.rylie_audit_position s WHERE kept.last > s.last_value OR kept.last = s.last_value AND NOT s.is_called"
        )],
        Engine::Sqlite => vec![
            "DELETE FROM rylie_audit_pending".to_owned(),
            "DELETE FROM sqlite_sequence WHERE name = 'rylie_audit_pending'".to_owned(),
            format!(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'rylie_audit_pending', coalesce(max(position), 0) FROM ({last})"
            ),
            "INSERT INTO rylie_audit_pending (record_id) SELECT id FROM \"AuditLog\" ORDER BY \"createdAt\", id"
                .to_owned(),
        ],
    }
}

/// Inserts the records that the base's log could not hold, then restores our columns of all. Each insert gets a new
/// position from a trigger, so the old one follows.
fn records() -> Vec<String> {
    let all = format!("{}, {}", operator::COLUMNS, OURS.join(", "));
    let (set, ours, kept) = (
        OURS.map(|column| format!("{column} = kept.{column}")).join(", "),
        OURS.map(|column| format!("log.{column}")).join(", "),
        OURS.map(|column| format!("kept.{column}")).join(", "),
    );
    let differs = format!("({ours}) IS DISTINCT FROM ({kept})");
    vec![
        format!(
            "INSERT INTO \"AuditLog\" ({all}) SELECT {all} FROM {RECORDS} AS kept \
             WHERE NOT EXISTS (SELECT 1 FROM \"AuditLog\" AS log WHERE log.id = kept.id)"
        ),
        format!("UPDATE \"AuditLog\" AS log SET {set} FROM {RECORDS} AS kept WHERE kept.id = log.id AND {differs}"),
    ]
}

/// Restores the seals and the waiting records, and drops the copies.
fn seals() -> Vec<String> {
    let mut statements = vec![
        "DELETE FROM rylie_audit_pending WHERE record_id IN \
         (SELECT record_id FROM rylie_aside_pending UNION ALL SELECT record_id FROM rylie_aside_leaf)"
            .to_owned(),
    ];
    statements.extend(
        COPIES[1..]
            .iter()
            .map(|(table, copy)| format!("INSERT INTO {table} SELECT * FROM {copy} WHERE true ON CONFLICT DO NOTHING")),
    );
    statements.extend(COPY_NAMES.map(|copy| format!("DROP TABLE {copy}")));
    statements
}
