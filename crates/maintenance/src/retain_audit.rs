//! Removing records of the audit log that are old enough.

use chrono::{DateTime, TimeDelta, Utc};
use rylie_repositories::{Grant, Store};

use crate::error::{Error, Result};

/// What a run removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RetainedAudit {
    /// Batches.
    pub batches: u64,
    /// Their records.
    pub records: u64,
}

/// Removes the records of every batch that was sealed more than `days` before `now`, the oldest first, each batch as a
/// whole and in a transaction of its own. Checkpoints and the tenants' counts stay, and a verification says which batches
/// were removed. What is not sealed is never removed; [`Error::Retention`] for less than a day.
pub async fn retain_audit(store: &dyn Store, now: DateTime<Utc>, days: u32) -> Result<RetainedAudit> {
    let failed = Error::doing("removing old records of the audit log");
    let before = now.checked_sub_signed(TimeDelta::days(days.into())).filter(|_| days > 0).ok_or(Error::Retention)?;
    let mut removed = RetainedAudit::default();
    loop {
        let grant = Grant::job("retain-audit", "records of the log past their time").map_err(&failed)?;
        let unit = store.platform(grant).await.map_err(&failed)?;
        let Some(batch) = unit.audit_seals().oldest_before(before).await.map_err(&failed)? else { return Ok(removed) };
        removed.records += unit.audit_seals().remove_batch(batch).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        removed.batches += 1;
    }
}
