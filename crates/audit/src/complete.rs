//! Checks, without the database, that an export contains all sealed records of a tenant.

use rylie_crypto::object;
use serde::{Deserialize, Serialize};

use crate::merkle::root_of_path;
use crate::{Commitments, Digest, Error, Result, SignedCheckpoint, TenantEntry, TenantPlace, Tree};

/// An export's data about one batch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantBatch {
    /// The tenant's entry and its path to the root.
    #[serde(deserialize_with = "object")]
    pub place: TenantPlace,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// An export's data about one sealed record, in addition to its row of the log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantLeaf {
    /// The record.
    pub record: String,
    /// Its leaf.
    pub leaf: Digest,
    /// The salts and commitments of its parts.
    #[serde(deserialize_with = "object")]
    pub commitments: Commitments,
    /// The unreadable value of a quarantined record, which its row does not contain. See
    /// [`Record::unreadable`](crate::Record::unreadable).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// A running check that no sealed batch of a tenant is missing.
///
/// Each entry must be in the batch that its checkpoint signs. Each running count must continue the previous one, and
/// the leaves must give the entry's root. Batches without leaves must be declared as removed by the latest checkpoint.
///
/// The caller must decide whether to trust the signing keys.
///
/// Each call fails with [`Error::Malformed`], which has the reason.
#[derive(Debug, Default)]
pub struct TenantCheck {
    open: Option<TenantEntry>,
    leaves: Tree,
    tenant: Option<String>,
    total: u64,
    batch: u64,
    removed_to: u64,
    removed: u64,
    ended: bool,
}

impl TenantCheck {
    /// Adds the next batch and returns its checkpoint. Fails after [`end`](Self::end).
    pub fn batch(&mut self, batch: &TenantBatch) -> Result<SignedCheckpoint> {
        self.refuse_after_end()?;
        self.close()?;
        let signed = SignedCheckpoint::parse(&batch.checkpoint)?;
        let (TenantBatch { place, .. }, sealed) = (batch, signed.checkpoint());
        let entry = &place.entry;
        if *self.tenant.get_or_insert_with(|| entry.tenant.clone()) != entry.tenant || sealed.batch <= self.batch {
            return Err(wrong("batches of another tenant, or out of order"));
        }
        if root_of_path(entry.leaf(), place.index, sealed.tenants, &place.path) != Some(sealed.root) {
            return Err(wrong("a tenant's entry is not in its batch"));
        }
        if self.total.checked_add(entry.records) != Some(entry.total) {
            return Err(wrong("a batch is missing: the running count has a gap"));
        }
        (self.total, self.batch, self.open) = (entry.total, sealed.batch, Some(entry.clone()));
        Ok(signed)
    }

    /// Adds the next leaf of the batch, in order. Fails before the first batch and after [`end`](Self::end), because no
    /// root covers such a leaf.
    pub fn leaf(&mut self, leaf: Digest) -> Result<()> {
        self.refuse_after_end()?;
        if self.open.is_none() {
            return Err(wrong("a leaf outside a batch"));
        }
        self.leaves.push(leaf);
        Ok(())
    }

    /// Ends the check with the latest checkpoint, which it returns. Fails when called twice.
    pub fn end(&mut self, latest: &str) -> Result<SignedCheckpoint> {
        self.refuse_after_end()?;
        self.close()?;
        self.ended = true;
        let latest = SignedCheckpoint::parse(latest)?;
        if latest.checkpoint().batch < self.batch {
            return Err(wrong("the latest checkpoint is older than a batch"));
        }
        if latest.checkpoint().removed < self.removed_to {
            return Err(wrong("the records of a batch are missing, and no checkpoint declares them as removed"));
        }
        Ok(latest)
    }

    /// Returns the last batch with records of the tenant; 0 if there is none.
    #[must_use]
    pub fn batch_number(&self) -> u64 {
        self.batch
    }

    /// Returns how many records of the tenant were sealed up to the last batch.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns how many of them retention removed.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed
    }

    fn refuse_after_end(&self) -> Result<()> {
        if self.ended { Err(wrong("a line after the latest checkpoint")) } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        let leaves = std::mem::take(&mut self.leaves);
        match self.open.take() {
            Some(entry) if leaves.size() == 0 => {
                (self.removed_to, self.removed) = (self.batch, self.removed + entry.records);
                Ok(())
            }
            Some(entry) if leaves.size() == entry.records && leaves.root() == entry.root => Ok(()),
            None if leaves.size() == 0 => Ok(()),
            _ => Err(wrong("records of a batch are missing or were changed")),
        }
    }
}

fn wrong(reason: &'static str) -> Error {
    Error::Malformed { what: "complete export", reason }
}
