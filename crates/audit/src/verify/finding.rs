//! Findings of a verification.

use serde::{Deserialize, Serialize};

/// The kinds of tampering.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tampering {
    /// A sealed record, or its stored hash, was changed.
    Changed,
    /// A sealed or pending record is missing, or a batch without a checkpoint that declares its removal by retention.
    Removed,
    /// A record was added without the triggers, or to a sealed batch.
    Added,
    /// A sealed record lacks a personal part, and no erasure in the log names it.
    Emptied,
    /// Records of a batch were reordered.
    Reordered,
    /// A tenant has fewer records than its sealed count.
    CountShort,
    /// A checkpoint differs from the published one: the log was rebuilt from its batch on.
    Rehashed,
    /// The database ends before a published checkpoint: it is an older copy.
    RolledBack,
    /// A checkpoint is missing, does not follow its predecessor, or is not signed by a trusted key.
    ForgedCheckpoint,
    /// The external checkpoints belong to another database: the wrong ones were named, or the whole log was rebuilt.
    OtherDatabase,
    /// Fewer witnesses than required have seen the log.
    Unwitnessed,
    /// A table of the log is not read as it is: it is a view, or a policy filters its rows.
    Hidden,
}

/// The first finding of a verification.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The kind of tampering.
    pub what: Tampering,
    /// The batch; absent for records in none.
    pub batch: Option<u64>,
    /// The tenant, if known.
    pub tenant: Option<String>,
    /// The record, if known; otherwise the change is among the records of the batch or the tenant.
    pub record: Option<String>,
    /// A description of the mismatch.
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
    /// Creates a finding about a whole batch.
    #[must_use]
    pub fn in_batch(what: Tampering, batch: u64, detail: &str) -> Self {
        Self { what, batch: Some(batch), tenant: None, record: None, detail: detail.to_owned() }
    }

    pub(super) fn other_database(batch: u64) -> Self {
        Self::in_batch(Tampering::OtherDatabase, batch, "these checkpoints belong to another database")
    }

    pub(super) fn of_tenant(what: Tampering, batch: u64, tenant: &str, detail: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..Self::in_batch(what, batch, detail) }
    }

    /// Creates a finding about a table as a whole.
    #[must_use]
    pub fn of_table(what: Tampering, detail: &str) -> Self {
        Self { what, batch: None, tenant: None, record: None, detail: detail.to_owned() }
    }

    fn of_record(what: Tampering, record: String, detail: &str) -> Self {
        Self { what, batch: None, tenant: None, record: Some(record), detail: detail.to_owned() }
    }

    /// Creates a finding for a record that was added without the database's triggers.
    #[must_use]
    pub fn added(record: String) -> Self {
        Self::of_record(
            Tampering::Added,
            record,
            "the record was added without the triggers: it is neither sealed nor pending",
        )
    }

    /// Creates a finding for a record that is sealed or pending more than once.
    #[must_use]
    pub fn sealed_again(record: String) -> Self {
        Self::of_record(Tampering::Added, record, "the record is sealed or pending more than once")
    }

    /// Creates a finding for a record that is pending under a wrong position.
    #[must_use]
    pub fn waits_elsewhere(record: String) -> Self {
        Self::of_record(Tampering::Changed, record, "the record is pending under a position other than its own")
    }

    /// Creates a finding for a record that was removed before it was sealed.
    #[must_use]
    pub fn removed_unsealed(record: String) -> Self {
        Self::of_record(Tampering::Removed, record, "the record was pending and is gone")
    }
}
