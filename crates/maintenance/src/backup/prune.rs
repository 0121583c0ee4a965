//! Removing old backups. Only backups that a drill has proven count.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_audit::PublicKey;

use super::backup_folder::{BackupFolder, ListedBackup};
use crate::error::{Error, Result};

/// Which backups to keep.
#[derive(Clone, Copy, Debug)]
pub struct PruneRule {
    /// How many verified backups are kept, the newest; from 1 on.
    pub keep: usize,
    /// The age from which a backup is removed although fewer are kept; never the newest verified one.
    pub max_age: Option<Duration>,
}

/// Removes verified backups beyond the number to keep or over the age, and unverified ones that are older than the newest
/// verified one and not among those kept. Returns their ids, the oldest first.
///
/// The newest verified backup stays under every rule, and so does everything newer. Its files are read before
/// anything is removed: [`Error::BackupDamaged`] if one is damaged. Without a verified backup nothing is removed.
/// Only certificates that a `trusted` key signed prove a backup.
pub async fn prune_backups(
    folder: &BackupFolder,
    rule: PruneRule,
    trusted: &[PublicKey],
    now: DateTime<Utc>,
) -> Result<Vec<String>> {
    let listed = folder.list(trusted).await?;
    let Some(newest) = listed.iter().find_map(ListedBackup::verified) else { return Ok(Vec::new()) };
    let condemned = condemned(&listed, rule, now);
    if condemned.is_empty() {
        return Ok(condemned);
    }
    let check = newest.check_files().await?;
    if check.is_failed() {
        return Err(Error::BackupDamaged { id: newest.manifest.id.clone(), reason: check.detail });
    }
    for id in &condemned {
        folder.place.remove_backup(id).await?;
    }
    Ok(condemned)
}

/// `listed` is ordered, the newest first.
fn condemned(listed: &[ListedBackup], rule: PruneRule, now: DateTime<Utc>) -> Vec<String> {
    let limit = rule.max_age.and_then(|age| now.checked_sub_signed(TimeDelta::from_std(age).ok()?));
    let mut condemned = Vec::new();
    let mut verified = 0;
    for backup in listed {
        let counts = backup.verified().is_some();
        let made_at = backup.backup.as_ref().ok().map(|backup| backup.manifest.made_at);
        let is_old = limit.zip(made_at).is_some_and(|(limit, made_at)| made_at < limit);
        // The newest verified one and what is newer than it stay.
        if verified > 0 && (verified >= rule.keep.max(1) || is_old) {
            condemned.push(backup.id.clone());
        }
        verified += usize::from(counts);
    }
    condemned.reverse();
    condemned
}
