//! Sealing the audit log: waiting records become a batch with a signed checkpoint. Writers only insert and never wait.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_audit::{
    Action, Checkpoint, Commitments, Digest, Event, Format, Record, Salt, SignedCheckpoint, SigningKey, TenantBatch,
    TenantEntry, TenantLeaf, Tree,
};
use rylie_entities::{TenantId, Timestamp, UserId};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Value};

use crate::audit::AuditRepository;
use crate::audit::rows::{columns, record, signed, unsigned};
use crate::tx::Tx;
use crate::{Error, Result};

/// The seals of the audit log.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuditSealRepository: Send + Sync {
    /// Seals at most `limit` waiting records, oldest position first, under the next checkpoint; fewer where details are
    /// long. With none waiting the checkpoint is a heartbeat. It declares that the records of batches up to `removed`,
    /// and those of earlier declarations, may be removed.
    ///
    /// Returns `None` while another process seals. Recording never waits, because it only inserts. A record that
    /// commits late is sealed in a later batch, whatever its position. Sealing, removing and erasing fail with
    /// [`Error::MayNotSeal`] if the login may not assume the role `rylie_sealer`.
    async fn seal(&self, key: &SigningKey, limit: u64, removed: u64) -> Result<Option<NewSeal>>;

    /// Returns the checkpoints after a batch, oldest first.
    async fn checkpoints_after(&self, batch: u64, limit: u64) -> Result<Vec<SignedCheckpoint>>;

    /// Returns the fingerprint of the database, which the next checkpoint names.
    async fn database(&self) -> Result<String>;

    /// Returns the batches with records of a tenant, after a batch, oldest first. They prove that the tenant's export
    /// is complete. Two statements, and three per batch.
    async fn tenant_batches(&self, tenant: &TenantId, after: u64, limit: u64) -> Result<Vec<TenantBatch>>;

    /// Returns the leaves of one of these batches in order, each with its number, after a number (-1 for the
    /// beginning).
    async fn tenant_leaves(
        &self,
        tenant: &TenantId,
        batch: u64,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(i64, TenantLeaf)>>;

    /// Returns the last checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<SignedCheckpoint>>;

    /// Returns the last batch that was sealed before `time`, by its checkpoint. `None` if there is none or its records
    /// were removed.
    async fn last_before(&self, time: DateTime<Utc>) -> Result<Option<u64>>;

    /// Removes the records of the oldest batches that the last checkpoint declares as removed, at most `limit` batches
    /// and each as a whole. Their checkpoints stay. Recorded. Fewer than `limit` means that nothing else is declared.
    ///
    /// Fails if a batch does not contain what was sealed; verify the log then.
    async fn remove_declared(&self, limit: u64) -> Result<RemovedBatches>;

    /// Erases the personal parts of at most `limit` sealed records that name a user: who and from where, of what the user
    /// did or was done in the user's name; row and details, of what was done to the user. Recorded by count. Fewer than `limit`: nothing
    /// else that is sealed names the user.
    async fn erase(&self, user: &UserId, limit: u64) -> Result<u64>;
}

/// The result of a sealing run.
#[derive(Clone, Debug)]
pub struct NewSeal {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// Whether more records wait.
    pub more: bool,
}

/// The result of [`AuditSealRepository::remove_declared`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RemovedBatches {
    /// Number of batches.
    pub batches: u64,
    /// Number of records.
    pub records: u64,
}

/// Maximum text before a waiting record of a page. Records after it are left to a later batch, so that long details do
/// not fill the memory.
const TEXT: i64 = 32 << 20;

const LAST: &str = "SELECT checkpoint FROM rylie_audit_batch ORDER BY batch DESC LIMIT 1";

/// The advisory lock of sealing: two numbers that nothing else uses.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(7264, 5) AS locked";

#[async_trait]
impl AuditSealRepository for Tx {
    async fn seal(&self, key: &SigningKey, limit: u64, removed: u64) -> Result<Option<NewSeal>> {
        if !may_seal(self).await? {
            return Ok(None);
        }
        let rows = waiting(self, limit).await?;
        let more = rows.len() as u64 == limit
            || rows.first().is_some_and(|row| unsigned(row, "found").is_ok_and(|found| found > rows.len() as u64));
        let salts = Salt::random(rows.len() * 2)?;
        let mut sealed_now = Vec::with_capacity(rows.len());
        let mut records = Vec::with_capacity(rows.len());
        let mut ids = BTreeSet::new();
        for (row, salts) in rows.iter().zip(salts.chunks_exact(2)) {
            let record = record(row, &Commitments::fresh(salts[0], salts[1]), Format::Two)?;
            // A record that waits twice is sealed once. The second entry stays, so that a verification reports it.
            if ids.insert(record.id.clone()) {
                sealed_now.push(row.try_get::<i64>("", "waits")?);
                records.push((record, salts));
            }
        }
        let quarantined = records.iter().filter(|(record, _)| record.unreadable.is_some()).count();
        if quarantined > 0 {
            tracing::warn!(
                quarantined,
                "sealing quarantined audit records: values that no record of ours has, such as an infinite time"
            );
        }
        // Sorted by the bytes of the tenant, then by the order within it.
        records.sort_by(|(a, _), (b, _)| (a.tenant.as_bytes(), a.order()).cmp(&(b.tenant.as_bytes(), b.order())));
        let last = last_checkpoint(self).await?;
        let batch = last.as_ref().map_or(0, |last| last.checkpoint().batch) + 1;
        let entries = entries(self, &records).await?;
        let database = fingerprint(self).await?;
        self.become_sealer().await?;
        insert_leaves(self, batch, &records).await?;
        insert_entries(self, batch, &entries).await?;
        no_longer_waiting(self, &sealed_now).await?;
        let checkpoint = Checkpoint {
            database,
            batch,
            time: self.now().utc(),
            records: records.len() as u64,
            total: last.as_ref().map_or(0, |last| last.checkpoint().total) + records.len() as u64,
            tenants: entries.len() as u64,
            removed: last
                .as_ref()
                .map_or(0, |last| removed.min(last.checkpoint().batch).max(last.checkpoint().removed)),
            root: entries.iter().map(TenantEntry::leaf).collect::<Tree>().root(),
            previous: last.as_ref().map_or(Digest::NONE, SignedCheckpoint::hash),
        };
        let sealed = checkpoint.sign(key);
        insert_batch(self, &sealed).await?;
        self.become_platform().await?;
        Ok(Some(NewSeal { checkpoint: sealed, more }))
    }

    async fn checkpoints_after(&self, batch: u64, limit: u64) -> Result<Vec<SignedCheckpoint>> {
        const SQL: &str = "SELECT checkpoint FROM rylie_audit_batch WHERE batch > $1 ORDER BY batch LIMIT $2";
        let rows = self.audit_rows(SQL, vec![signed(batch).into(), signed(limit).into()]).await?;
        rows.iter().map(|row| Ok(SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?)).collect()
    }

    async fn database(&self) -> Result<String> {
        fingerprint(self).await
    }

    async fn tenant_batches(&self, tenant: &TenantId, after: u64, limit: u64) -> Result<Vec<TenantBatch>> {
        crate::audit::tenant::batches(self, tenant, after, limit).await
    }

    async fn tenant_leaves(
        &self,
        tenant: &TenantId,
        batch: u64,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(i64, TenantLeaf)>> {
        crate::audit::tenant::leaves(self, tenant, batch, after, limit).await
    }

    async fn last_checkpoint(&self) -> Result<Option<SignedCheckpoint>> {
        last_checkpoint(self).await
    }

    async fn last_before(&self, time: DateTime<Utc>) -> Result<Option<u64>> {
        const SQL: &str =
            "SELECT checkpoint FROM rylie_audit_batch WHERE removed_at IS NULL AND batch > $1 ORDER BY batch LIMIT $2";
        let (mut after, mut found) = (0, None);
        // The checkpoint is signed; the column `sealed_at` is not.
        loop {
            let rows = self.audit_rows(SQL, vec![signed(after).into(), signed(CHECKPOINTS).into()]).await?;
            for row in &rows {
                let sealed = SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?;
                if sealed.checkpoint().time >= time {
                    return Ok(found);
                }
                after = sealed.checkpoint().batch;
                found = Some(after);
            }
            if rows.is_empty() {
                return Ok(found);
            }
        }
    }

    async fn remove_declared(&self, limit: u64) -> Result<RemovedBatches> {
        const SQL: &str =
            "SELECT batch FROM rylie_audit_batch WHERE removed_at IS NULL AND batch <= $1 ORDER BY batch LIMIT $2";
        let declared = last_checkpoint(self).await?.map_or(0, |last| last.checkpoint().removed);
        let rows = self.audit_rows(SQL, vec![signed(declared).into(), signed(limit).into()]).await?;
        let batches = rows.iter().map(|row| unsigned(row, "batch")).collect::<Result<Vec<_>>>()?;
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Ok(RemovedBatches::default()) };
        let mut removed = RemovedBatches { batches: batches.len() as u64, records: 0 };
        self.become_sealer().await?;
        for batch in &batches {
            removed.records += remove_batch(self, *batch).await?;
        }
        self.become_platform().await?;
        let event = Event::new(Action::AuditRetention).with("first_batch", first).with("last_batch", last);
        self.record(event.with("records", removed.records)).await?;
        Ok(removed)
    }

    async fn erase(&self, user: &UserId, limit: u64) -> Result<u64> {
        crate::audit::erasure::erase(self, user, limit).await
    }
}

/// Number of checkpoints read by one statement.
const CHECKPOINTS: u64 = 1_000;

/// Selects the waiting records, oldest position first, with the number `found` of the page.
async fn waiting(tx: &Tx, limit: u64) -> Result<Vec<QueryResult>> {
    let columns = columns(tx.engine());
    let sql = format!(
        "SELECT * FROM (SELECT page.*, count(*) OVER () AS found, sum(length(page.details)) \
         OVER (ORDER BY page.waits ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
         FROM (SELECT p.position AS waits, {columns} FROM rylie_audit_pending p JOIN \"AuditLog\" a ON a.id = p.record_id \
         WHERE NOT EXISTS (SELECT 1 FROM rylie_audit_leaf s WHERE s.record_id = p.record_id) ORDER BY p.position LIMIT $1) AS page) AS counted WHERE coalesce(before, 0) < {TEXT} ORDER BY waits"
    );
    tx.audit_rows(&sql, vec![signed(limit).into()]).await
}

/// Takes the lock of sealing. SQLite's unit already has the exclusive right to write.
async fn may_seal(tx: &Tx) -> Result<bool> {
    if tx.across_tenants()?.get_database_backend() == DbBackend::Sqlite {
        return Ok(true);
    }
    let rows = tx.audit_rows(LOCK, vec![]).await?;
    rows.first().map_or(Ok(false), |row| Ok(row.try_get("", "locked")?))
}

async fn last_checkpoint(tx: &Tx) -> Result<Option<SignedCheckpoint>> {
    let rows = tx.audit_rows(LAST, vec![]).await?;
    rows.first().map(|row| Ok(SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?)).transpose()
}

async fn fingerprint(tx: &Tx) -> Result<String> {
    let rows = tx.audit_rows("SELECT fingerprint FROM rylie_database", vec![]).await?;
    rows.first().map_or(Err(Error::NotFound { entity: "rylie_database" }), |row| Ok(row.try_get("", "fingerprint")?))
}

type Salted<'s> = (Record, &'s [Salt]);

/// Returns one entry per tenant, with the running count.
async fn entries(tx: &Tx, records: &[Salted<'_>]) -> Result<Vec<TenantEntry>> {
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
    let (list, value) = tx.list_of(tenants)?;
    let sql = format!(
        "SELECT list.value AS tenant, coalesce((SELECT t.total FROM rylie_audit_tenant t WHERE t.tenant = list.value \
         ORDER BY t.batch DESC LIMIT 1), 0) AS total FROM {list}"
    );
    let rows = tx.audit_rows(&sql, vec![value]).await?;
    rows.iter().map(|row| Ok((row.try_get("", "tenant")?, unsigned(row, "total")?))).collect()
}

async fn insert_leaves(tx: &Tx, batch: u64, records: &[Salted<'_>]) -> Result<()> {
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

async fn insert_entries(tx: &Tx, batch: u64, entries: &[TenantEntry]) -> Result<()> {
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
        tx.run_across_tenants(&sql, some.concat()).await?;
    }
    Ok(())
}

async fn no_longer_waiting(tx: &Tx, positions: &[i64]) -> Result<()> {
    let texts: Vec<String> = positions.iter().map(ToString::to_string).collect();
    let (list, value) = tx.list_of(&texts)?;
    let sql =
        format!("DELETE FROM rylie_audit_pending WHERE position IN (SELECT CAST(list.value AS bigint) FROM {list})");
    tx.run_across_tenants(&sql, vec![value]).await.map(|_| ())
}

async fn insert_batch(tx: &Tx, sealed: &SignedCheckpoint) -> Result<()> {
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

async fn remove_batch(tx: &Tx, batch: u64) -> Result<u64> {
    if tx.across_tenants()?.get_database_backend() == DbBackend::Sqlite {
        return remove_on_sqlite(tx, batch).await;
    }
    // Not a plain `SELECT`, which would be classified as a read.
    let sql =
        "WITH removed AS MATERIALIZED (SELECT rylie_audit_remove_batch($1, $2) AS records) SELECT records FROM removed";
    let rows = tx.audit_rows(sql, vec![signed(batch).into(), tx.now().into()]).await?;
    rows.first().map_or(Ok(0), |row| unsigned(row, "records"))
}

/// Removes a batch. On PostgreSQL a function does this with rights that the platform's role does not have.
async fn remove_on_sqlite(tx: &Tx, batch: u64) -> Result<u64> {
    let number = || vec![Value::from(signed(batch))];
    let sealed = tx.audit_rows("SELECT records FROM rylie_audit_batch WHERE batch = $1", number()).await?;
    let sealed = sealed.first().map_or(Ok(0), |row| unsigned(row, "records"))?;
    tx.run_across_tenants("INSERT INTO rylie_audit_keeper (task) VALUES ('retention')", vec![]).await?;
    let records = "DELETE FROM \"AuditLog\" WHERE id IN (SELECT record_id FROM rylie_audit_leaf WHERE batch = $1)";
    let removed = tx.run_across_tenants(records, number()).await?;
    if removed != sealed {
        return Err(Error::Invalid {
            what: "the batch",
            reason: "it does not hold what was sealed; verify the log first",
        });
    }
    tx.run_across_tenants("DELETE FROM rylie_audit_leaf WHERE batch = $1", number()).await?;
    let mark = "UPDATE rylie_audit_batch SET removed_at = $2 WHERE batch = $1";
    tx.run_across_tenants(mark, vec![signed(batch).into(), tx.now().into()]).await?;
    tx.run_across_tenants("DELETE FROM rylie_audit_keeper", vec![]).await?;
    Ok(removed)
}
