//! The input, the counts and the progress of a verification.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Digest, Part, Record, TenantEntry};

/// A batch as stored.
#[derive(Clone, Debug)]
pub struct SealedBatch {
    /// Its number.
    pub batch: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// Whether retention removed its records.
    pub removed: bool,
    /// The number of records in its row; the checkpoint states it, too.
    pub records: u64,
    /// The number of records ever sealed in its row; likewise.
    pub total: u64,
    /// The time of sealing in its row; likewise. `None` if it is unreadable.
    pub sealed_at: Option<DateTime<Utc>>,
}

/// A tenant's entry as stored, with the running count of the tenant's previous entry.
#[derive(Clone, Debug)]
pub struct SealedTenant {
    /// The entry.
    pub entry: TenantEntry,
    /// The running count of the last earlier batch with the tenant; 0 if there is none.
    pub total_before: u64,
}

/// A leaf as stored.
#[derive(Clone, Debug)]
pub struct SealedLeaf {
    /// The id of its record.
    pub id: String,
    /// The stored hash.
    pub leaf: Digest,
    /// The record.
    pub record: StoredRecord,
    /// Whether it lacks a personal part without an erasure in the log that names it.
    pub emptied: bool,
    /// Whether it lacks a personal part and the erasure that names it is not sealed yet.
    pub erasure_waits: bool,
}

/// A record as stored.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most records are readable, and a box for each would cost more")]
pub enum StoredRecord {
    /// Present and readable.
    Whole(Record),
    /// Has a value that we never write.
    Unreadable,
    /// Missing.
    Gone,
}

impl SealedLeaf {
    /// Returns the record, if it is present and readable.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        if let StoredRecord::Whole(record) = &self.record { Some(record) } else { None }
    }

    /// Returns the record, if it is present and readable.
    #[must_use]
    pub fn into_record(self) -> Option<Record> {
        if let StoredRecord::Whole(record) = self.record { Some(record) } else { None }
    }
}

/// A leaf with the hash of its record, as [`Verifier::record`](crate::Verifier::record) checks it. Computing the hash is
/// most of the work of a verification and needs no verifier, so that it can be done on another thread.
#[derive(Clone, Debug)]
pub struct HashedLeaf {
    /// The id of its record.
    pub id: String,
    /// The stored hash.
    pub leaf: Digest,
    /// The record.
    pub record: HashedRecord,
    /// As in [`SealedLeaf`].
    pub emptied: bool,
    /// As in [`SealedLeaf`].
    pub erasure_waits: bool,
}

/// A record of which only the hash remains, and the parts that a verification compares.
#[derive(Clone, Debug)]
pub enum HashedRecord {
    /// Present and readable.
    Whole {
        /// The computed hash of its leaf.
        hash: Digest,
        /// Its tenant.
        tenant: String,
        /// Its key of [order](Record::order).
        order: (Option<i64>, i64, String),
        /// Whether its actor part is erased.
        who_erased: bool,
        /// Whether its target part is erased.
        what_erased: bool,
        /// Whether it has an unreadable value.
        quarantined: bool,
    },
    /// Has a value that we never write.
    Unreadable,
    /// Missing.
    Gone,
}

impl From<SealedLeaf> for HashedLeaf {
    fn from(sealed: SealedLeaf) -> Self {
        let SealedLeaf { id, leaf, record, emptied, erasure_waits } = sealed;
        let record = match record {
            StoredRecord::Whole(record) => {
                let hash = record.leaf();
                let order = record.order();
                let who_erased = matches!(record.who, Part::Erased(_));
                let what_erased = matches!(record.what, Part::Erased(_));
                let quarantined = record.unreadable.is_some();
                HashedRecord::Whole { hash, tenant: record.tenant, order, who_erased, what_erased, quarantined }
            }
            StoredRecord::Unreadable => HashedRecord::Unreadable,
            StoredRecord::Gone => HashedRecord::Gone,
        };
        Self { id, leaf, record, emptied, erasure_waits }
    }
}

/// The progress of a verification, for one that continues later.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VerifiedUpTo {
    /// The last verified batch.
    pub batch: u64,
    /// The hash of its checkpoint.
    pub checkpoint: Digest,
    /// The number of records sealed up to it.
    pub total: u64,
    /// The database that the checkpoint names. Absent in states of earlier builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

/// The counts of a verification.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// Checked sealed records.
    pub records: u64,
    /// Checked batches.
    pub batches: u64,
    /// Records with an erased part.
    pub erased: u64,
    /// Those whose erasure is not sealed yet: until then nothing proves it.
    pub erasures_waiting: u64,
    /// Quarantined records: they have a value that we never write, such as the time `infinity`, and were sealed with
    /// it, unchanged.
    pub quarantined: u64,
    /// Batches whose records retention removed.
    pub removed_batches: u64,
    /// The records of those batches.
    pub removed_records: u64,
    /// The last batch that the required number of witnesses has seen; 0 without witnesses.
    pub witnessed: u64,
    /// The signing keys.
    pub keys: BTreeSet<String>,
}
