//! External checkpoints, as a verification uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{Digest, PublicKey, Result, SignedCheckpoint};

/// External checkpoints: published, so that an attacker on the database cannot rebuild them. Only batch and digest of
/// each are kept.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    hashes: BTreeMap<u64, Digest>,
    keys: BTreeSet<String>,
    databases: BTreeSet<String>,
    forked: Option<u64>,
}

impl Outside {
    /// Reads a file of checkpoints, as `rylie audit seal` writes or prints them. Ignores a last one that a crash left
    /// incomplete. Fails with [`Error::Damaged`](crate::Error::Damaged) if the file has none or something else, and
    /// with [`Error::File`](crate::Error::File) if it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let mut outside = Self::default();
        SignedCheckpoint::read_file(path, 0, &mut |checkpoint| {
            outside.add(&checkpoint);
            Ok(())
        })?;
        Ok(outside)
    }

    fn add(&mut self, checkpoint: &SignedCheckpoint) {
        let (batch, hash) = (checkpoint.checkpoint().batch, checkpoint.hash());
        self.keys.insert(checkpoint.key().to_string());
        self.databases.insert(checkpoint.checkpoint().database.clone());
        self.insert(batch, hash);
    }

    fn insert(&mut self, batch: u64, hash: Digest) {
        if *self.hashes.entry(batch).or_insert(hash) != hash {
            self.forked = Some(self.forked.map_or(batch, |before| before.min(batch)));
        }
    }

    /// Returns those up to a batch: what a copy of the database can have that was made after that batch was sealed.
    #[must_use]
    pub fn until(mut self, batch: u64) -> Self {
        self.hashes.retain(|found, _| *found <= batch);
        self.forked = self.forked.filter(|forked| *forked <= batch);
        self
    }

    /// Adds those of another place. Two of one batch that differ count as a fork.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (batch, hash) in other.hashes {
            self.insert(batch, hash);
        }
        self.forked = [self.forked, other.forked].into_iter().flatten().min();
        self.keys.extend(other.keys);
        self.databases.extend(other.databases);
        self
    }

    /// Adds one.
    #[must_use]
    pub fn and(mut self, checkpoint: &SignedCheckpoint) -> Self {
        self.add(checkpoint);
        self
    }

    /// Returns whether this checkpoint is among them.
    #[must_use]
    pub fn contains(&self, checkpoint: &SignedCheckpoint) -> bool {
        self.hashes.get(&checkpoint.checkpoint().batch) == Some(&checkpoint.hash())
    }

    /// Returns whether one of them is signed by this key.
    #[must_use]
    pub fn signed_by(&self, key: &PublicKey) -> bool {
        self.keys.contains(&key.to_string())
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Returns their number.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// Returns whether none of them belongs to the database that this checkpoint names.
    pub(crate) fn is_of_another_database(&self, checkpoint: &SignedCheckpoint) -> bool {
        !self.is_empty() && !self.databases.contains(&checkpoint.checkpoint().database)
    }

    /// Returns the keys that signed them.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.keys.iter()
    }

    /// Returns whether the batch has a different external checkpoint, or two.
    pub(crate) fn contradicts(&self, checkpoint: &SignedCheckpoint) -> bool {
        let batch = checkpoint.checkpoint().batch;
        self.forked == Some(batch) || self.hashes.get(&batch).is_some_and(|hash| *hash != checkpoint.hash())
    }

    /// Returns the last batch.
    pub(crate) fn last(&self) -> Option<u64> {
        self.hashes.keys().next_back().copied()
    }

    /// Returns the last batch up to the given one.
    pub(crate) fn last_until(&self, batch: u64) -> Option<u64> {
        self.hashes.range(..=batch).next_back().map(|(batch, _)| *batch)
    }
}

impl FromIterator<SignedCheckpoint> for Outside {
    fn from_iter<I: IntoIterator<Item = SignedCheckpoint>>(checkpoints: I) -> Self {
        let mut outside = Self::default();
        checkpoints.into_iter().for_each(|checkpoint| outside.add(&checkpoint));
        outside
    }
}
