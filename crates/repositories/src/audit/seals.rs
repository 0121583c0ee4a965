//! Sealing the audit log: what waits becomes a batch with a signed checkpoint. Writers are not held up: they only insert.

mod batch;

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_audit::{
    Action, Checkpoint, Commitments, Digest, Event, Format, Salt, SignedCheckpoint, SigningKey, TenantBatch,
    TenantEntry, TenantLeaf, Tree,
};
use rylie_entities::{TenantId, UserId};

use crate::Result;
use crate::audit::AuditRepository;
use crate::audit::rows::{record, signed, unsigned};
use crate::tx::Tx;
use batch::{
    entries, fingerprint, insert_batch, insert_entries, insert_leaves, last_checkpoint, may_seal, no_longer_waiting,
    remove_batch, waiting,
};

/// The seals of the audit log.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuditSealRepository: Send + Sync {
    /// Seals at most `limit` records that wait, oldest position first, under the next checkpoint, and fewer where details are
    /// long; with nothing waiting it is a heartbeat of no records. The checkpoint declares that the records of batches up to
    /// `removed` may be removed, and those that the one before declared.
    ///
    /// [`Error::MayNotSeal`] where the login may not take the role `rylie_sealer`, here and where records are removed or erased.
    /// `None` while another process seals. Nobody waits: recording only inserts, and a record that commits late is sealed
    /// by a later batch, whatever its position.
    async fn seal(&self, key: &SigningKey, limit: u64, removed: u64) -> Result<Option<NewSeal>>;

    /// The checkpoints after a batch, oldest first.
    async fn checkpoints_after(&self, batch: u64, limit: u64) -> Result<Vec<SignedCheckpoint>>;

    /// The fingerprint of the database, which the next checkpoint names.
    async fn database(&self) -> Result<String>;

    /// What a tenant's export carries of its audit records to be checked as complete: each batch that has some, oldest first,
    /// after a batch. Two statements, and three a batch.
    async fn tenant_batches(&self, tenant: &TenantId, after: u64, limit: u64) -> Result<Vec<TenantBatch>>;

    /// And the leaves of one of these batches in order, each with its number, after a number (-1 for the first ones).
    async fn tenant_leaves(
        &self,
        tenant: &TenantId,
        batch: u64,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(i64, TenantLeaf)>>;

    /// The last checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<SignedCheckpoint>>;

    /// The last batch that was sealed before `time`, as its checkpoint says; `None` if there is none or its records were
    /// removed.
    async fn last_before(&self, time: DateTime<Utc>) -> Result<Option<u64>>;

    /// Removes the records of the oldest batches that the last checkpoint declares as removed, `limit` batches at most and
    /// each as a whole; their checkpoints stay. Recorded. Fewer than `limit`: nothing else is declared.
    ///
    /// An error if a batch does not hold what was sealed: verify the log then.
    async fn remove_declared(&self, limit: u64) -> Result<RemovedBatches>;

    /// Erases the personal parts of at most `limit` sealed records that name a user: who and from where, of what the user
    /// did or was done in the user's name; row and details, of what was done to the user. Recorded by count. Fewer than `limit`: nothing
    /// else that is sealed names the user.
    async fn erase(&self, user: UserId, limit: u64) -> Result<u64>;
}

/// What was sealed under a new checkpoint.
#[derive(Clone, Debug)]
pub struct NewSeal {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// Whether more records wait.
    pub more: bool,
}

/// What [`AuditSealRepository::remove_declared`] removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RemovedBatches {
    /// Batches.
    pub batches: u64,
    /// Their records.
    pub records: u64,
}

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
            // One that waits twice is sealed once, and goes on waiting for a verification to name it.
            if ids.insert(record.id.clone()) {
                sealed_now.push(row.try_get::<i64>("", "waits")?);
                records.push((record, salts));
            }
        }
        let quarantined = records.iter().filter(|(record, _)| record.unreadable.is_some()).count();
        if quarantined > 0 {
            tracing::warn!(
                quarantined,
                "sealing audit records with values that no record of ours has, such as an infinite time"
            );
        }
        // The bytes of a tenant, then the order within it.
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
        let rows = self.across_tenants()?.rows(SQL, vec![signed(batch).into(), signed(limit).into()]).await?;
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
        // The column `sealed_at` is not signed, the checkpoint is.
        loop {
            let rows = self.across_tenants()?.rows(SQL, vec![signed(after).into(), signed(CHECKPOINTS).into()]).await?;
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
        let rows = self.across_tenants()?.rows(SQL, vec![signed(declared).into(), signed(limit).into()]).await?;
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

    async fn erase(&self, user: UserId, limit: u64) -> Result<u64> {
        crate::audit::erasure::erase(self, &user, limit).await
    }
}

/// Checkpoints looked at in one statement.
const CHECKPOINTS: u64 = 1_000;
