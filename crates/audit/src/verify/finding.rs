//! What a verification finds wrong.

use serde::{Deserialize, Serialize};

/// What was done to the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tampering {
    /// A sealed record, or the hash kept of it, is not what it was.
    Changed,
    /// A sealed record is gone, or one that waited to be sealed, or a batch that no checkpoint declares as removed by
    /// retention.
    Removed,
    /// A record came in past the triggers, or into a sealed batch.
    Added,
    /// A sealed record lacks a personal part, and no erasure in the log names it.
    Emptied,
    /// Records of a batch changed places.
    Reordered,
    /// A tenant has fewer records than its sealed count says.
    CountShort,
    /// A checkpoint is not the one that was handed out: from its batch on everything was made anew.
    Rehashed,
    /// The database ends before a checkpoint that was handed out: it is an older copy.
    RolledBack,
    /// A checkpoint is missing, does not follow the one before, or is signed by nobody trusted.
    ForgedCheckpoint,
    /// The checkpoints outside are those of another database: the wrong ones were named, or all of this one was made anew.
    OtherDatabase,
}

/// The first thing found wrong.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What was done.
    pub what: Tampering,
    /// In which batch; absent for records in none.
    pub batch: Option<u64>,
    /// Of which tenant, where known.
    pub tenant: Option<String>,
    /// Which record, where it can be told; else what was done lies among the batch's or the tenant's.
    pub record: Option<String>,
    /// What does not agree, in words.
    pub detail: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(batch) = self.batch {
            write!(f, "batch {batch}: ")?;
        }
        if let Some(record) = &self.record {
            write!(f, "record {record}: ")?;
        }
        f.write_str(&self.detail)
    }
}

impl Finding {
    /// What is wrong with a batch as a whole.
    #[must_use]
    pub fn in_batch(what: Tampering, batch: u64, detail: &str) -> Self {
        Self { what, batch: Some(batch), tenant: None, record: None, detail: detail.to_owned() }
    }

    pub(super) fn of_tenant(what: Tampering, batch: u64, tenant: &str, detail: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..Self::in_batch(what, batch, detail) }
    }

    fn of_record(what: Tampering, record: String, detail: &str) -> Self {
        Self { what, batch: None, tenant: None, record: Some(record), detail: detail.to_owned() }
    }

    /// A record that was added past the database's triggers.
    #[must_use]
    pub fn added(record: String) -> Self {
        Self::of_record(
            Tampering::Added,
            record,
            "the record was added past the triggers: it is neither sealed nor waiting to be",
        )
    }

    /// A record that is sealed or waits to be sealed more than once.
    #[must_use]
    pub fn sealed_again(record: String) -> Self {
        Self::of_record(Tampering::Added, record, "the record is sealed, or waits to be sealed, more than once")
    }

    /// A record that waits to be sealed under another position than its own.
    #[must_use]
    pub fn waits_elsewhere(record: String) -> Self {
        Self::of_record(Tampering::Changed, record, "the record waits to be sealed under another position than it has")
    }

    /// A record that was removed before it was sealed.
    #[must_use]
    pub fn removed_unsealed(record: String) -> Self {
        Self::of_record(Tampering::Removed, record, "the record waited to be sealed and is gone")
    }
}
