//! The statements that seal and remove a batch.

use std::collections::BTreeMap;

use rylie_audit::{Consistency, Record, Salt, SignedCheckpoint, TenantEntry, Tree};
use rylie_entities::Timestamp;
use sea_orm::{QueryResult, Value};

use crate::audit::rows::{columns, signed, unsigned};
use crate::tx::Tx;
use crate::{Error, Result};

/// Maximum text before a waiting record of a page. Records after it are left to a later batch, so that long details do
/// not fill the memory.
const TEXT: i64 = 32 << 20;

const LAST: &str = "SELECT checkpoint FROM rylie_audit_batch ORDER BY batch DESC LIMIT 1";

/// The advisory lock of sealing: two numbers that nothing else uses.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(7264, 5) AS locked";

/// Selects the waiting records, oldest position first, with the number `found` of the page.
pub(super) async fn waiting(tx: &Tx, limit: u64) -> Result<Vec<QueryResult>> {
    let columns = columns(tx.engine());
    let sql = format!(
        "SELECT * FROM (SELECT page.*, count(*) OVER () AS found, sum(length(page.details)) \
         OVER (ORDER BY page.waits ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
         FROM (SELECT p.position AS waits, {columns} FROM rylie_audit_pending p JOIN \"AuditLog\" a ON a.id = p.record_id \
         WHERE NOT EXISTS (SELECT 1 FROM rylie_audit_leaf s WHERE s.record_id = p.record_id) ORDER BY p.position LIMIT $1) AS page) AS counted WHERE coalesce(before, 0) < {TEXT} ORDER BY waits"
    );
    tx.across_tenants()?.rows(&sql, vec![signed(limit).into()]).await
}

/// Takes the lock of sealing. SQLite's unit already has the exclusive right to write.
pub(super) async fn may_seal(tx: &Tx) -> Result<bool> {
    if tx.across_tenants()?.is_sqlite() {
        return Ok(true);
    }
    let rows = tx.across_tenants()?.rows(LOCK, vec![]).await?;
    rows.first().map_or(Ok(false), |row| Ok(row.try_get("", "locked")?))
}

pub(super) async fn last_checkpoint(tx: &Tx) -> Result<Option<SignedCheckpoint>> {
    let rows = tx.across_tenants()?.rows(LAST, vec![]).await?;
    rows.first().map(|row| Ok(SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?)).transpose()
}

pub(super) async fn fingerprint(tx: &Tx) -> Result<String> {
    let rows = tx.across_tenants()?.rows("SELECT fingerprint FROM rylie_database", vec![]).await?;
    rows.first().map_or(Err(Error::NotFound { entity: "rylie_database" }), |row| Ok(row.try_get("", "fingerprint")?))
}

pub(super) type Salted<'s> = (Record, &'s [Salt]);

/// Returns one entry per tenant, with the running count.
pub(super) async fn entries(tx: &Tx, records: &[Salted<'_>]) -> Result<Vec<TenantEntry>> {
    let mut trees: BTreeMap<&str, Tree> = BTreeMap::new();
    for (record, _) in records {
        trees.entry(&record.tenant).or_default().push(record.leaf());
    }
    let before = totals(tx, &trees.keys().map(|tenant| (*tenant).to_owned()).collect::<Vec<_>>()).await?;
    let entry = |(tenant, tree): (&str, Tree)| TenantEntry {
        tenant: tenant.to_owned(),
        records: tree.size(),
        total: before.get(tenant).copied().unwrap_or_default() + tree.size(),
        root: tree.root(),
    };
    Ok(trees.into_iter().map(entry).collect())
}

async fn totals(tx: &Tx, tenants: &[String]) -> Result<BTreeMap<String, u64>> {
    let (list, value) = tx.list_of(tenants);
    let sql = format!(
        "SELECT list.value AS tenant, coalesce((SELECT t.total FROM rylie_audit_tenant t WHERE t.tenant = list.value \
         ORDER BY t.batch DESC LIMIT 1), 0) AS total FROM {list}"
    );
    let rows = tx.across_tenants()?.rows(&sql, vec![value]).await?;
    rows.iter().map(|row| Ok((row.try_get("", "tenant")?, unsigned(row, "total")?))).collect()
}

pub(super) async fn insert_leaves(tx: &Tx, batch: u64, records: &[Salted<'_>]) -> Result<()> {
    let mut tenant_number = 0_i64;
    let mut rows = Vec::with_capacity(records.len());
    for (number, (record, salts)) in records.iter().enumerate() {
        if number > 0 && records[number - 1].0.tenant != record.tenant {
            tenant_number += 1;
        }
        let salts = salts.iter().map(|salt| Value::from(salt.0.to_vec()));
        let mut row: Vec<Value> =
            vec![signed(batch).into(), signed(number as u64).into(), tenant_number.into(), record.id.clone().into()];
        row.push(record.leaf().0.to_vec().into());
        row.extend(salts);
        rows.push(row);
    }
    let into = "rylie_audit_leaf (batch, number, tenant_number, record_id, leaf, who_salt, what_salt)";
    insert(tx, into, rows).await
}

pub(super) async fn insert_entries(tx: &Tx, batch: u64, entries: &[TenantEntry]) -> Result<()> {
    let row = |(number, entry): (usize, &TenantEntry)| -> Vec<Value> {
        vec![
            signed(batch).into(),
            signed(number as u64).into(),
            entry.tenant.clone().into(),
            signed(entry.records).into(),
            signed(entry.total).into(),
            entry.root.0.to_vec().into(),
        ]
    };
    let rows = entries.iter().enumerate().map(row).collect();
    insert(tx, "rylie_audit_tenant (batch, number, tenant, records, total, root)", rows).await
}

/// Inserts rows, some thousand per statement, as the limit on bound values allows.
async fn insert(tx: &Tx, into: &str, rows: Vec<Vec<Value>>) -> Result<()> {
    for some in rows.chunks(1_000) {
        let mut bind = 0;
        let tuples: Vec<String> = some
            .iter()
            .map(|row| {
                let binds: Vec<String> = row
                    .iter()
                    .map(|_| {
                        bind += 1;
                        format!("${bind}")
                    })
                    .collect();
                format!("({})", binds.join(", "))
            })
            .collect();
        let sql = format!("INSERT INTO {into} VALUES {}", tuples.join(", "));
        tx.across_tenants()?.run(&sql, some.concat()).await?;
    }
    Ok(())
}

pub(super) async fn no_longer_waiting(tx: &Tx, positions: &[i64]) -> Result<()> {
    let texts: Vec<String> = positions.iter().map(ToString::to_string).collect();
    let (list, value) = tx.list_of(&texts);
    let sql =
        format!("DELETE FROM rylie_audit_pending WHERE position IN (SELECT CAST(list.value AS bigint) FROM {list})");
    tx.across_tenants()?.run(&sql, vec![value]).await.map(|_| ())
}

pub(super) async fn insert_batch(tx: &Tx, sealed: &SignedCheckpoint) -> Result<()> {
    let checkpoint = sealed.checkpoint();
    let row: Vec<Value> = vec![
        signed(checkpoint.batch).into(),
        Timestamp::from(checkpoint.time).into(),
        signed(checkpoint.records).into(),
        signed(checkpoint.total).into(),
        sealed.to_text().into(),
    ];
    insert(tx, "rylie_audit_batch (batch, sealed_at, records, total, checkpoint)", vec![row]).await
}

/// Removes batches, ascending, and returns the number of their records. On PostgreSQL one call of the function removes
/// all, because it checks the chain of digests from the first of them to the newest checkpoint.
pub(super) async fn remove_batches(tx: &Tx, batches: &[u64]) -> Result<u64> {
    let Some(last) = batches.last() else { return Ok(0) };
    if tx.across_tenants()?.is_sqlite() {
        refuse_a_broken_chain(tx, batches[0]).await?;
        let mut removed = 0;
        for batch in batches {
            removed += remove_on_sqlite(tx, *batch).await?;
        }
        return Ok(removed);
    }
    // Not a plain `SELECT`, which would be classified as a read.
    let sql =
        "WITH removed AS MATERIALIZED (SELECT rylie_audit_remove_batch($1, $2) AS records) SELECT records FROM removed";
    let rows = tx.across_tenants()?.rows(sql, vec![signed(*last).into(), tx.now().into()]).await?;
    rows.first().map_or(Ok(0), |row| unsigned(row, "records"))
}

/// Checks that the checkpoints follow each other from the one before a batch to the newest.
async fn refuse_a_broken_chain(tx: &Tx, first: u64) -> Result<()> {
    const SQL: &str = "SELECT checkpoint FROM rylie_audit_batch WHERE batch >= $1 AND batch < $2 ORDER BY batch";
    const PAGE: u64 = 1_000;
    let (mut chain, mut from) = (Consistency::default(), first.saturating_sub(1).max(1));
    loop {
        let rows = tx.across_tenants()?.rows(SQL, vec![signed(from).into(), signed(from + PAGE).into()]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            chain.add(SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?)?;
        }
        from += PAGE;
    }
}

/// Removes a batch.
async fn remove_on_sqlite(tx: &Tx, batch: u64) -> Result<u64> {
    let number = || vec![Value::from(signed(batch))];
    let sealed = tx.across_tenants()?.rows("SELECT records FROM rylie_audit_batch WHERE batch = $1", number()).await?;
    let sealed = sealed.first().map_or(Ok(0), |row| unsigned(row, "records"))?;
    tx.across_tenants()?.run("INSERT INTO rylie_audit_keeper (task) VALUES ('retention')", vec![]).await?;
    let records = "DELETE FROM \"AuditLog\" WHERE id IN (SELECT record_id FROM rylie_audit_leaf WHERE batch = $1)";
    let removed = tx.across_tenants()?.run(records, number()).await?;
    if removed != sealed {
        return Err(Error::Invalid {
            what: "the batch",
            reason: "it does not hold what was sealed; verify the log first",
        });
    }
    tx.across_tenants()?.run("DELETE FROM rylie_audit_leaf WHERE batch = $1", number()).await?;
    let mark = "UPDATE rylie_audit_batch SET removed_at = $2 WHERE batch = $1";
    tx.across_tenants()?.run(mark, vec![signed(batch).into(), tx.now().into()]).await?;
    tx.across_tenants()?.run("DELETE FROM rylie_audit_keeper", vec![]).await?;
    Ok(removed)
}
