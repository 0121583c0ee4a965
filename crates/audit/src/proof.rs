//! Proofs that records were sealed, as files that are checked without the database.

use rylie_crypto::{Object, object};
use serde::{Deserialize, Serialize};

use crate::merkle::root_of_path;
use crate::{Digest, Error, Record, Result, SignedCheckpoint, TenantEntry};

const FORMAT: &str = "rylie audit proof 1";

/// Proof that a record was sealed, written as JSON. It has the record and its path to the tenant's root, the tenant's
/// path to the batch's root, and the signed checkpoint.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    /// The record, with each personal part open or erased.
    #[serde(deserialize_with = "object")]
    pub record: Record,
    /// Its index among the tenant's records of the batch, from 0.
    pub index: u64,
    /// The path from its leaf to the tenant's root, the lowest neighbour first.
    pub path: Vec<Digest>,
    /// The tenant's entry.
    #[serde(deserialize_with = "object")]
    pub tenant: TenantEntry,
    /// Its index in the batch, from 0.
    pub tenant_index: u64,
    /// The path from its leaf to the batch's root.
    pub tenant_path: Vec<Digest>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl Proof {
    /// Creates a proof.
    #[must_use]
    pub fn new(record: Record, place: (u64, Vec<Digest>), tenant: TenantPlace, checkpoint: &SignedCheckpoint) -> Self {
        let TenantPlace { entry, index: tenant_index, path: tenant_path } = tenant;
        let (index, path) = place;
        let checkpoint = checkpoint.to_text();
        Self { format: FORMAT.to_owned(), record, index, path, tenant: entry, tenant_index, tenant_path, checkpoint }
    }

    /// Parses a proof. [`check`](Self::check) verifies it. Fails with [`Error::Malformed`] for another text.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = |reason| Error::Malformed { what: "proof", reason };
        let Object::<Self>(proof) =
            serde_json::from_str(text).map_err(|_| malformed("it is not the JSON that `rylie audit prove` writes"))?;
        if proof.format == FORMAT { Ok(proof) } else { Err(malformed("it has another format or version")) }
    }

    /// Checks that the record is in the tree whose root the checkpoint signs, and returns that checkpoint. Fails with
    /// [`Error::Malformed`] if it is not.
    ///
    /// The caller must decide whether to trust the checkpoint's key, or compare the checkpoint with an external one.
    pub fn check(&self) -> Result<SignedCheckpoint> {
        let wrong = |reason| Error::Malformed { what: "proof", reason };
        let signed = SignedCheckpoint::parse(&self.checkpoint)?;
        if self.record.tenant != self.tenant.tenant {
            return Err(wrong("the record belongs to another tenant than the proof"));
        }
        let root = root_of_path(self.record.leaf(), self.index, self.tenant.records, &self.path);
        if root != Some(self.tenant.root) {
            return Err(wrong("the record is not the one that was sealed"));
        }
        let tenants = signed.checkpoint().tenants;
        let root = root_of_path(self.tenant.leaf(), self.tenant_index, tenants, &self.tenant_path);
        if root != Some(signed.checkpoint().root) {
            return Err(wrong("the tenant's entry is not in the batch"));
        }
        Ok(signed)
    }
}

/// A tenant's entry with its path to the batch's root.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantPlace {
    /// The entry.
    #[serde(deserialize_with = "object")]
    pub entry: TenantEntry,
    /// Its index in the batch, from 0.
    pub index: u64,
    /// The path from its leaf to the batch's root, the lowest neighbour first.
    pub path: Vec<Digest>,
}
