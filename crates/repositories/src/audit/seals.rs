//! Sealing the audit log: waiting records become a batch with a signed checkpoint. Writers only insert and never wait.

mod batch;
mod exclusion;
mod waiting;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rylie_audit::{
    Action, Checkpoint, Digest, Event, SignedCheckpoint, SigningKey, TenantBatch, TenantEntry, TenantLeaf, Tree,
};
use rylie_entities::{TenantId, UserId};

use crate::audit::AuditRepository;
use crate::audit::rows::{signed, unsigned};
use crate::tx::Tx;
use crate::{Error, Result};
use batch::{
    entries, fingerprint, insert_batch, insert_entries, insert_leaves, last_checkpoint, no_longer_waiting,
    remove_batches,
};
use exclusion::may_seal;
use waiting::Waiting;

/// The seals of the audit log.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AuditSealRepository: Send + Sync {
    /// Seals at most `limit` waiting records, oldest position first, under the next checkpoint; fewer where texts are
    /// long. With none waiting the checkpoint is a heartbeat. It declares that the records of batches up to `removed`,
    /// and those of earlier declarations, may be removed.
    ///
    /// Returns `None` while another process seals. Only a login that may seal can cause that. Recording never waits,
    /// because it only inserts. A record that commits late is sealed in a later batch, at any position.
    ///
    /// Fails with [`Error::MayNotSeal`] if the login may not assume the role `rylie_sealer`. Fails with
    /// [`Error::Invalid`] if the last checkpoint is malformed, or a row that no checkpoint covers is in the place of
    /// the next batch. Fails with [`Error::Audit`] if the system provides no randomness.
    async fn seal(&self, key: &SigningKey, limit: u64, removed: u64) -> Result<Option<NewSeal>>;

    /// Returns the checkpoints after a batch, oldest first. Fails with [`Error::Invalid`] if one is malformed.
    async fn checkpoints_after(&self, batch: u64, limit: u64) -> Result<Vec<SignedCheckpoint>>;

    /// Returns the fingerprint of the database, which the next checkpoint names. Fails with [`Error::NotFound`] if
    /// `rylie_database` has no row.
    async fn database(&self) -> Result<String>;

    /// Returns the batches with records of a tenant, after a batch, oldest first. They prove that the tenant's export
    /// is complete. Two statements, and three per batch. Fails with [`Error::NotFound`] if an entry or a checkpoint is
    /// missing, and with [`Error::Audit`] if a checkpoint is malformed.
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

    /// Returns the last checkpoint. Fails with [`Error::Invalid`] if it is malformed.
    async fn last_checkpoint(&self) -> Result<Option<SignedCheckpoint>>;

    /// Returns the last batch of which it and every earlier one was sealed before `time`, by the checkpoints. `None` if
    /// there is none or its records were removed.
    ///
    /// A checkpoint of the future counts as sealed when the next one was that is not, because its sealer's clock was
    /// ahead. So it never stops retention. A clock that was behind never makes an earlier batch look older.
    ///
    /// Fails with [`Error::Audit`] if a checkpoint is malformed.
    async fn last_before(&self, time: DateTime<Utc>) -> Result<Option<u64>>;

    /// Removes the records of the oldest batches that the last checkpoint declares as removed, at most `limit` batches
    /// and each as a whole. Their checkpoints stay. Recorded. Fewer than `limit` means that nothing else is declared.
    ///
    /// Fails with [`Error::MayNotSeal`] if the login may not assume the role `rylie_sealer`. Fails if a batch does not
    /// contain what was sealed, or if a checkpoint does not continue the one before; verify the log then. That error is
    /// [`Error::Database`] on PostgreSQL, and [`Error::Invalid`] or [`Error::Audit`] on SQLite.
    async fn remove_declared(&self, limit: u64) -> Result<RemovedBatches>;

    /// Erases the personal parts of at most `limit` sealed records that name a user. Recorded by count. The actor part
    /// is erased where the user acted or was impersonated; the target part where the user was the target. Erases fewer
    /// where texts are long, and at least one if there is one. 0 means that no other sealed record names the user.
    ///
    /// Fails with [`Error::MayNotSeal`] if the login may not assume the role `rylie_sealer`, and with
    /// [`Error::Protected`] where the environment marker is production or missing. On SQLite, fails with
    /// [`Error::Invalid`] at the end if the id of a record has a NUL character.
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

#[async_trait]
impl AuditSealRepository for Tx {
    async fn seal(&self, key: &SigningKey, limit: u64, removed: u64) -> Result<Option<NewSeal>> {
        if !may_seal(self).await? {
            return Ok(None);
        }
        let Waiting { mut records, more } = waiting::hashed(self, limit).await?;
        let quarantined = records.iter().filter(|record| record.quarantined).count();
        if quarantined > 0 {
            tracing::warn!(
                quarantined,
                "sealing quarantined audit records: values that no record of ours has, such as an infinite time"
            );
        }
        let sealed_now = records.iter().map(|record| record.waits).collect();
        // Sorted by the bytes of the tenant, then by the order within it.
        records.sort_by(|a, b| (a.tenant.as_bytes(), &a.order).cmp(&(b.tenant.as_bytes(), &b.order)));
        let last = last_checkpoint(self).await?;
        let batch = last.as_ref().map_or(0, |last| last.checkpoint().batch) + 1;
        let entries = entries(self, &records, batch - 1).await?;
        let database = fingerprint(self).await?;
        self.become_sealer().await?;
        insert_leaves(self, batch, &records).await.map_err(taken)?;
        insert_entries(self, batch, &entries).await.map_err(taken)?;
        no_longer_waiting(self, sealed_now).await?;
        let checkpoint = Checkpoint {
            database,
            batch,
            time: time_after(self.now().utc(), last.as_ref()),
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
        insert_batch(self, &sealed).await.map_err(taken)?;
        self.become_platform().await?;
        Ok(Some(NewSeal { checkpoint: sealed, more }))
    }

    async fn checkpoints_after(&self, batch: u64, limit: u64) -> Result<Vec<SignedCheckpoint>> {
        const SQL: &str = "SELECT checkpoint FROM rylie_audit_batch WHERE batch > $1 ORDER BY batch LIMIT $2";
        let rows = self.across_tenants()?.rows(SQL, vec![signed(batch).into(), signed(limit).into()]).await?;
        rows.iter().map(batch::checkpoint).collect()
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
        let (mut after, mut found, now) = (0, None, self.now().utc());
        // The checkpoint is signed; the column `sealed_at` is not.
        loop {
            let rows = self.across_tenants()?.rows(SQL, vec![signed(after).into(), signed(CHECKPOINTS).into()]).await?;
            for row in &rows {
                let sealed = SignedCheckpoint::parse(&row.try_get::<String>("", "checkpoint")?)?;
                after = sealed.checkpoint().batch;
                if sealed.checkpoint().time > now {
                    // The next checkpoint with a possible time decides: this batch was sealed before it.
                    continue;
                }
                if sealed.checkpoint().time >= time {
                    return Ok(found);
                }
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
        removed.records = remove_batches(self, &batches).await?;
        self.become_platform().await?;
        let event = Event::new(Action::AuditRetention).with("first_batch", first).with("last_batch", last);
        self.record(event.with("records", removed.records)).await?;
        Ok(removed)
    }

    async fn erase(&self, user: &UserId, limit: u64) -> Result<u64> {
        crate::audit::erasure::erase(self, user, limit).await
    }
}

/// Names a row of another hand in the place of a new one.
fn taken(error: Error) -> Error {
    match error {
        Error::Conflict { .. } => batch::NOT_COUNTED,
        error => error,
    }
}

/// Number of checkpoints read by one statement.
const CHECKPOINTS: u64 = 1_000;

/// A previous checkpoint that is further ahead than this had a wrong clock.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// Returns the time of the next checkpoint. It never goes back, unless the previous checkpoint is far ahead of this
/// clock. One of both clocks is wrong then, and repeating a wrong time would hide it.
fn time_after(now: DateTime<Utc>, last: Option<&SignedCheckpoint>) -> DateTime<Utc> {
    let before = last.map(|last| last.checkpoint().time).filter(|before| *before - now <= AHEAD);
    before.map_or(now, |before| before.max(now))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use rylie_audit::{Checkpoint, Digest, SignedCheckpoint, SigningKey};

    use super::time_after;

    fn sealed(time: DateTime<Utc>) -> SignedCheckpoint {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n";
        let key = SigningKey::parse(pem).unwrap();
        let (database, root, previous) = ("d".to_owned(), Digest::NONE, Digest::NONE);
        Checkpoint { database, batch: 1, time, records: 0, total: 0, tenants: 0, removed: 0, root, previous }.sign(&key)
    }

    #[test]
    fn the_time_of_checkpoints_goes_back_only_from_a_clock_far_ahead() {
        let now = DateTime::from_timestamp_millis(1_764_000_000_000).unwrap();
        let after = |before| time_after(now, Some(&sealed(before)));

        assert_eq!(time_after(now, None), now);
        assert_eq!(after(now - TimeDelta::days(900)), now);
        assert_eq!(after(now + TimeDelta::minutes(5)), now + TimeDelta::minutes(5));
        assert_eq!(after(now + TimeDelta::days(2)), now);
    }
}
