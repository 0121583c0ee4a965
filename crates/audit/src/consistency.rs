//! Consistency of checkpoints: each continues the log of the one before, without a database.

use crate::{Checkpoint, Digest, Error, Result, SignedCheckpoint};

/// A running check of consecutive checkpoints.
///
/// Each names the hash of its predecessor, and its counts continue those of the predecessor. Therefore the log at the
/// last checkpoint contains all that it contained at the first one, unchanged and in the same order, except what a
/// checkpoint declares as removed. No trust in the signing key is needed for this.
///
/// The caller must decide whether to trust the keys of the first and the last checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Consistency {
    first: Option<SignedCheckpoint>,
    last: Option<SignedCheckpoint>,
}

impl Consistency {
    /// Adds the next checkpoint. Fails with [`Error::Gap`] if one is missing before it, with [`Error::Forked`] if it
    /// does not follow the one before, and with [`Error::Malformed`] if its counts do not.
    pub fn add(&mut self, next: SignedCheckpoint) -> Result<()> {
        let sealed = next.checkpoint();
        if sealed.batch == 0 || sealed.removed >= sealed.batch {
            return Err(wrong("a checkpoint has an impossible number"));
        }
        match &self.last {
            Some(last) => follows(last, &next)?,
            None if sealed.batch == 1 && sealed.previous != Digest::NONE => {
                return Err(wrong("the first checkpoint of the log names a predecessor"));
            }
            None => self.first = Some(next.clone()),
        }
        self.last = Some(next);
        Ok(())
    }

    /// Returns the first and the last checkpoint; `None` before the first.
    #[must_use]
    pub fn ends(&self) -> Option<(&SignedCheckpoint, &SignedCheckpoint)> {
        self.first.as_ref().zip(self.last.as_ref())
    }
}

fn follows(last: &SignedCheckpoint, next: &SignedCheckpoint) -> Result<()> {
    let (before, sealed) = (last.checkpoint(), next.checkpoint());
    let expected = before.batch.saturating_add(1);
    if sealed.batch > expected {
        return Err(Error::Gap { batch: expected });
    }
    if sealed.batch < expected {
        return Err(wrong("the checkpoints are out of order"));
    }
    if sealed.previous != last.hash() {
        return Err(Error::Forked { batch: sealed.batch });
    }
    follow(sealed, before.total, before.removed)
}

/// Checks the counts of a checkpoint after one with this `total` and `removed`.
pub(crate) fn follow(sealed: &Checkpoint, total: u64, removed: u64) -> Result<()> {
    let follows = total.checked_add(sealed.records) == Some(sealed.total);
    if follows && (removed..sealed.batch).contains(&sealed.removed) {
        return Ok(());
    }
    Err(wrong("the counts of a checkpoint do not continue those of the one before"))
}

fn wrong(reason: &'static str) -> Error {
    Error::Malformed { what: "consistency proof", reason }
}
