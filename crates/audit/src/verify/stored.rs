//! What a verification is given, what it saw of it, and how far it came.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Digest, Record, TenantEntry};

/// A batch as the database holds it.
#[derive(Clone, Debug)]
pub struct SealedBatch {
    /// Its number.
    pub batch: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// Whether retention removed its records.
    pub removed: bool,
    /// How many records its row counts; the checkpoint says so as well.
    pub records: u64,
    /// How many its row says were ever sealed; likewise.
    pub total: u64,
    /// When its row says it was sealed; likewise. `None` where that cannot be read.
    pub sealed_at: Option<DateTime<Utc>>,
}

/// A tenant's entry as the database holds it, and the running count of that tenant's entry before.
#[derive(Clone, Debug)]
pub struct SealedTenant {
    /// The entry.
    pub entry: TenantEntry,
    /// The running count in the last earlier batch that has the tenant; 0 if there is none.
    pub total_before: u64,
}

/// A leaf as the database holds it.
#[derive(Clone, Debug)]
pub struct SealedLeaf {
    /// The record it stands for.
    pub id: String,
    /// The hash that was kept.
    pub leaf: Digest,
    /// The record.
    pub record: StoredRecord,
    /// Whether it lacks a personal part and no erasure in the log names it.
    pub emptied: bool,
    /// Whether it lacks one and the erasure that names it is not sealed yet.
    pub erasure_waits: bool,
}

/// A record as the database holds it.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every record is whole, and a box for each would cost more")]
pub enum StoredRecord {
    /// It is there.
    Whole(Record),
    /// It has a value that no record of ours has.
    Unreadable,
    /// There is none.
    Gone,
}

impl SealedLeaf {
    /// The record, if it is there and readable.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        if let StoredRecord::Whole(record) = &self.record { Some(record) } else { None }
    }

    /// The record, if it is there and readable.
    #[must_use]
    pub fn into_record(self) -> Option<Record> {
        if let StoredRecord::Whole(record) = self.record { Some(record) } else { None }
    }
}

/// How far a verification came, for one that goes on later.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The last batch that was found good.
    pub batch: u64,
    /// The hash of its checkpoint.
    pub checkpoint: Digest,
    /// How many records were sealed up to it.
    pub total: u64,
}

/// What a verification saw.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// Sealed records that were checked.
    pub records: u64,
    /// Batches that were checked.
    pub batches: u64,
    /// Records with an erased part.
    pub erased: u64,
    /// Those of them whose erasure is not sealed yet: until it is, nothing proves that it was one.
    pub erasures_waiting: u64,
    /// Records with a value that no record of ours has, such as the time `infinity`: sealed and unchanged, and set apart.
    pub quarantined: u64,
    /// Batches whose records retention removed.
    pub removed_batches: u64,
    /// Records of those.
    pub removed_records: u64,
    /// Who signed.
    pub keys: BTreeSet<String>,
}
