//! Whether an export holds all that was sealed of a tenant, checked without the database.

use serde::{Deserialize, Serialize};

use crate::merkle::root_of_path;
use crate::{Commitments, Digest, Error, Result, SignedCheckpoint, TenantEntry, TenantPlace, Tree};

/// What an export carries of one batch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantBatch {
    /// The tenant's entry and its way to the root.
    pub place: TenantPlace,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// What an export carries of one sealed record, beside its row of the log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantLeaf {
    /// The record.
    pub record: String,
    /// Its leaf.
    pub leaf: Digest,
    /// What its parts are committed with.
    pub commitments: Commitments,
}

/// A check under way that batches are all that was sealed of a tenant, none left out: each is in the batch that its checkpoint
/// signs, the running count begins where the one before ended, and the leaves are those of the root. Batches without leaves
/// are those that retention removed, as the latest checkpoint must say.
///
/// Whether the signing keys are to be trusted is for the caller to say.
#[derive(Debug, Default)]
pub struct TenantCheck {
    open: Option<TenantEntry>,
    leaves: Tree,
    tenant: Option<String>,
    total: u64,
    batch: u64,
    removed_to: u64,
    removed: u64,
}

impl TenantCheck {
    /// The next batch; gives its checkpoint.
    pub fn batch(&mut self, batch: &TenantBatch) -> Result<SignedCheckpoint> {
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
            return Err(wrong("a batch was left out: the running count has a gap"));
        }
        (self.total, self.batch, self.open) = (entry.total, sealed.batch, Some(entry.clone()));
        Ok(signed)
    }

    /// The next leaf of the batch, in order.
    pub fn leaf(&mut self, leaf: Digest) {
        self.leaves.push(leaf);
    }

    /// The end: with the latest checkpoint, which it gives.
    pub fn end(&mut self, latest: &str) -> Result<SignedCheckpoint> {
        self.close()?;
        let latest = SignedCheckpoint::parse(latest)?;
        if latest.checkpoint().batch < self.batch {
            return Err(wrong("the latest checkpoint is older than a batch"));
        }
        if latest.checkpoint().removed < self.removed_to {
            return Err(wrong("the records of a batch are missing, and no checkpoint declares them as removed"));
        }
        Ok(latest)
    }

    /// The last batch that has records of the tenant; 0 if there is none.
    #[must_use]
    pub fn batch_number(&self) -> u64 {
        self.batch
    }

    /// How many records of the tenant were sealed up to the last batch.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many of them retention removed.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed
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
