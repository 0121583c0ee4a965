//! Removing records of the audit log after their retention time.

use chrono::{DateTime, TimeDelta, Utc};
use rylie_audit::{CheckpointSink, SigningKey};
use rylie_repositories::Store;

use super::seal_audit::seal_and_declare;
use crate::error::{Error, Result};
use crate::work::Work;

/// Number of batches removed in one transaction.
const BATCHES: u64 = 20;

const WORK: Work =
    Work { job: "retain-audit", reason: "records of the log past their time", doing: "removing expired audit records" };

/// The outcome of a run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RetainedAudit {
    /// Number of removed batches.
    pub batches: u64,
    /// Number of their records.
    pub records: u64,
}

/// Removes the records of every batch that was sealed more than `days` before `now`, oldest first and each as a whole.
/// Checkpoints and the tenants' counts stay, and a verification reports which batches were removed. Records that are
/// not sealed are never removed. Fails with [`Error::Retention`] for less than a day.
///
/// If there is something to remove, it first seals as [`seal_audit`](crate::seal_audit) does, under a checkpoint that
/// declares the removal. A verification reports a removal without a signed declaration as tampering. After a crash in
/// between, the next run continues.
///
/// Fails as [`seal_audit`](crate::seal_audit) does. Fails with [`Error::Data`] if a batch does not contain what was
/// sealed; verify the log then.
pub async fn retain_audit(
    store: &dyn Store,
    key: &SigningKey,
    sinks: &[&dyn CheckpointSink],
    now: DateTime<Utc>,
    days: u32,
) -> Result<RetainedAudit> {
    let before = now.checked_sub_signed(TimeDelta::days(days.into())).filter(|_| days > 0).ok_or(Error::Retention)?;
    let unit = WORK.open(store).await?;
    let old = unit.done(unit.audit_seals().last_before(before).await)?;
    drop(unit);
    if let Some(old) = old {
        seal_and_declare(store, key, sinks, old).await?;
    }
    let mut all = RetainedAudit::default();
    loop {
        let unit = WORK.open(store).await?;
        let removed = unit.audit_seals().remove_declared(BATCHES).await;
        let removed = unit.commit(removed).await?;
        all.batches += removed.batches;
        all.records += removed.records;
        if removed.batches < BATCHES {
            return Ok(all);
        }
    }
}
