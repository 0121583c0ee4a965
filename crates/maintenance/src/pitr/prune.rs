//! Removing old bases, and the WAL that no remaining base needs.

use std::collections::BTreeSet;
use std::fs;

use super::folder::{Base, PitrFolder};
use crate::error::{Error, Result};
use crate::files::sync_folder;

/// What was removed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pruned {
    /// Ids of bases, the oldest first.
    pub bases: Vec<String>,
    /// How many segments of the WAL.
    pub segments: usize,
}

impl PitrFolder {
    /// Keeps the newest bases, and those of which they hold the changes. Removes older ones, and the WAL before the oldest
    /// one that stays.
    ///
    /// Every file of the newest base is read before anything is removed: [`Error::BackupDamaged`] if one is damaged, and
    /// nothing is removed then. `keep` is 1 at least. A base that cannot be read is not counted and stays.
    pub async fn prune(&self, keep: usize) -> Result<Pruned> {
        let bases = self.readable_bases()?;
        let Some(newest) = bases.first() else { return Ok(Pruned::default()) };
        let mut kept: Vec<Base> = Vec::new();
        for base in bases.iter().take(keep.max(1)) {
            kept.extend(base.lineage(self)?);
        }
        let ids: BTreeSet<&str> = kept.iter().map(|base| base.manifest.id.as_str()).collect();
        let mut removed: Vec<&Base> = bases.iter().filter(|base| !ids.contains(base.manifest.id.as_str())).collect();
        removed.reverse();
        let from = kept.iter().map(|base| base.manifest.start).min();
        let manifest = self.manifest()?;
        let archive = self.archive(&manifest)?;
        let first = from.map(|from| archive.number_of(from));
        let has_damaged = bases.len() < self.bases()?.len();
        let old = archive.segments.iter().filter(|(segment, _)| first.is_some_and(|first| segment.number < first));
        // A damaged base might be repaired by hand: its log stays.
        let old: Vec<_> = old.filter(|_| !has_damaged).collect();
        if removed.is_empty() && old.is_empty() {
            return Ok(Pruned::default());
        }
        newest.verify().await?;
        let mut pruned = Pruned::default();
        for base in removed {
            self.remove_base(&base.manifest.id)?;
            pruned.bases.push(base.manifest.id.clone());
        }
        for (_, file) in old {
            fs::remove_file(&file.path).map_err(Error::file("removing", &file.path))?;
            pruned.segments += 1;
        }
        sync_folder(&self.wal())?;
        Ok(pruned)
    }
}
