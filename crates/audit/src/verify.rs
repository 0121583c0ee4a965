//! Verification: a state machine that is given what the database holds, in order, and finds what was done to it.
//!
//! It remembers one checkpoint, one tenant's tree and the batch's, so a million records take no more memory than one.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Checkpoint, Digest, Outside, Part, PublicKey, Record, SignedCheckpoint, TenantEntry, Tree};

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
        match &self.record {
            StoredRecord::Whole(record) => Some(record),
            StoredRecord::Unreadable | StoredRecord::Gone => None,
        }
    }

    /// The record, if it is there and readable.
    #[must_use]
    pub fn into_record(self) -> Option<Record> {
        match self.record {
            StoredRecord::Whole(record) => Some(record),
            StoredRecord::Unreadable | StoredRecord::Gone => None,
        }
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

/// The state of a verification under way.
#[derive(Debug)]
pub struct Verifier {
    trusted: BTreeSet<String>,
    outside: Outside,
    begun: bool,
    progress: Progress,
    batch: Option<Batch>,
    seen: Seen,
    /// The last checkpoint of the way from outside to where an earlier verification stopped.
    link: Option<(u64, Digest)>,
    /// The last batch whose records were removed.
    removed: u64,
    /// Up to which batch the last checkpoint declares them as removed.
    declared: u64,
}

/// The batch under way.
#[derive(Debug)]
struct Batch {
    signed: SignedCheckpoint,
    removed: bool,
    entries: Tree,
    records: u64,
    /// The last tenant, in whose order the next must come.
    last: Option<String>,
    tenant: Option<Tenant>,
}

/// The tenant under way.
#[derive(Debug)]
struct Tenant {
    entry: TenantEntry,
    leaves: Tree,
    last: Option<Record>,
}

type Found = Result<(), Box<Finding>>;

impl Verifier {
    /// Begins. `trusted` are the keys whose checkpoints are believed: none for those that signed `outside`, and without
    /// that for any, as the database names them.
    #[must_use]
    pub fn new(trusted: &[PublicKey], outside: Outside) -> Self {
        let mut trusted: BTreeSet<_> = trusted.iter().map(ToString::to_string).collect();
        if trusted.is_empty() {
            trusted.extend(outside.keys().cloned());
        }
        let progress = Progress { batch: 0, checkpoint: Digest::NONE, total: 0 };
        let (seen, link) = (Seen::default(), None);
        Self { trusted, outside, begun: false, progress, batch: None, seen, link, removed: 0, declared: 0 }
    }

    /// Goes on where another verification stopped. What that one found good is believed, and not looked at again; that
    /// the database still holds its last checkpoint is for [`link`](Self::link) to say.
    #[must_use]
    pub fn resume(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// How far it came: up to the last batch that is good as a whole.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What it saw so far.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The batches whose checkpoints are to be given to [`link`](Self::link) before anything else, in order: from the last
    /// one known outside to the last that an earlier verification saw. Empty for one that begins.
    #[must_use]
    pub fn links(&self) -> RangeInclusive<u64> {
        let last = self.progress.batch;
        self.outside.last_until(last).unwrap_or(last).max(1)..=last
    }

    /// The next of [`links`](Self::links), or `None` where the database ends before it.
    pub fn link(&mut self, batch: Option<&SealedBatch>) -> Found {
        let number = self.link.map_or(*self.links().start(), |(last, _)| last + 1);
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        let Some(batch) = batch else {
            return Err(found(
                Tampering::RolledBack,
                "the database ends before this batch, which was verified earlier",
            ));
        };
        let signed = self.checkpoint(number, batch)?;
        if self.link.is_some_and(|(_, before)| before != signed.checkpoint().previous) {
            return Err(found(Tampering::ForgedCheckpoint, "its checkpoint does not follow the one before"));
        }
        if number == self.progress.batch && signed.hash() != self.progress.checkpoint {
            return Err(found(Tampering::Rehashed, "its checkpoint is not the one that was verified earlier"));
        }
        self.begun = true;
        self.link = Some((number, signed.hash()));
        Ok(())
    }

    /// The checkpoint of a batch, if it is the batch's own, not another than was handed out, and signed by somebody trusted.
    fn checkpoint(&self, number: u64, batch: &SealedBatch) -> Result<SignedCheckpoint, Box<Finding>> {
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        if batch.batch != number {
            return Err(found(Tampering::ForgedCheckpoint, "the batch and its checkpoint are gone"));
        }
        let signed = SignedCheckpoint::parse(&batch.checkpoint);
        let signed = signed.map_err(|error| found(Tampering::ForgedCheckpoint, &error.to_string()))?;
        if signed.checkpoint().batch != number {
            return Err(found(Tampering::ForgedCheckpoint, "its checkpoint is that of another batch"));
        }
        if !self.begun && self.outside.is_of_another_database(&signed) {
            return Err(found(Tampering::OtherDatabase, "these checkpoints belong to another database"));
        }
        if self.outside.contradicts(&signed) {
            return Err(found(
                Tampering::Rehashed,
                "its checkpoint is not the one that was handed out; everything from here on was made anew",
            ));
        }
        let key = signed.key().to_string();
        if !self.trusted.is_empty() && !self.trusted.contains(&key) {
            return Err(found(Tampering::ForgedCheckpoint, &format!("it is signed by {key}, which is not trusted")));
        }
        Ok(signed)
    }

    /// The next batch; `true` if its tenants and leaves are to follow, `false` if only its tenants.
    pub fn begin_batch(&mut self, batch: &SealedBatch) -> Result<bool, Box<Finding>> {
        let number = self.progress.batch + 1;
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        let signed = self.checkpoint(number, batch)?;
        let Checkpoint { previous, total, records, removed, time, .. } = *signed.checkpoint();
        if previous != self.progress.checkpoint {
            return Err(found(Tampering::ForgedCheckpoint, "its checkpoint does not follow the one before"));
        }
        // It may name another database: a copy that gets a fingerprint of its own goes on with the log, linked by the hash.
        self.begun = true;
        if self.progress.total.checked_add(records) != Some(total) {
            return Err(found(Tampering::CountShort, "the running count does not add up"));
        }
        if (batch.records, batch.total, batch.sealed_at) != (records, total, Some(time)) {
            return Err(found(Tampering::Changed, "the batch's row and its checkpoint do not agree"));
        }
        if removed < self.declared || removed >= number {
            return Err(found(Tampering::ForgedCheckpoint, "it declares batches as removed that cannot be"));
        }
        // Retention goes from the oldest batch on; of those before where this verification began it says nothing.
        let in_turn = self.seen.batches == self.seen.removed_batches;
        if batch.removed && !in_turn {
            return Err(found(Tampering::Removed, "its records were removed while older ones are there"));
        }
        self.seen.keys.insert(signed.key().to_string());
        self.declared = removed;
        let removed = batch.removed;
        self.batch = Some(Batch { signed, removed, entries: Tree::default(), records: 0, last: None, tenant: None });
        Ok(!removed)
    }

    /// The next tenant of the batch.
    pub fn begin_tenant(&mut self, tenant: SealedTenant) -> Found {
        let number = self.progress.batch + 1;
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let SealedTenant { entry, total_before } = tenant;
        let found = |what, detail: &str| Box::new(Finding::of_tenant(what, number, &entry.tenant, detail));
        if batch.last.as_ref().is_some_and(|last| *last >= entry.tenant) {
            return Err(found(Tampering::Reordered, "the tenants of the batch are out of order"));
        }
        if total_before.checked_add(entry.records) != Some(entry.total) {
            return Err(found(Tampering::CountShort, "the tenant's running count does not add up"));
        }
        batch.last = Some(entry.tenant.clone());
        batch.entries.push(entry.leaf());
        batch.records += entry.records;
        batch.tenant = Some(Tenant { entry, leaves: Tree::default(), last: None });
        Ok(())
    }

    /// The next record of the tenant.
    pub fn record(&mut self, sealed: SealedLeaf) -> Found {
        let number = self.progress.batch + 1;
        let Some(tenant) = self.batch.as_mut().and_then(|batch| batch.tenant.as_mut()) else { return Ok(()) };
        let found = |what, detail: &str| {
            let finding = Finding::of_tenant(what, number, &tenant.entry.tenant, detail);
            Box::new(Finding { record: Some(sealed.id.clone()), ..finding })
        };
        let record = match sealed.record {
            StoredRecord::Whole(record) => record,
            StoredRecord::Unreadable => {
                return Err(found(Tampering::Changed, "the record has values that none of ours has"));
            }
            StoredRecord::Gone => return Err(found(Tampering::Removed, "the record was sealed and is gone")),
        };
        if tenant.leaves.size() == tenant.entry.records {
            return Err(found(Tampering::Added, "the tenant has more records in this batch than were sealed"));
        }
        if record.tenant != tenant.entry.tenant {
            return Err(found(Tampering::Changed, "the record was moved to another tenant"));
        }
        if tenant.last.as_ref().is_some_and(|last| last.order() >= record.order()) {
            return Err(found(Tampering::Reordered, "the record stands before one that was sealed earlier"));
        }
        if record.leaf() != sealed.leaf {
            return Err(found(Tampering::Changed, "the record is not what was sealed"));
        }
        if sealed.emptied {
            return Err(found(
                Tampering::Emptied,
                "a personal part is gone, and no erasure in the log names the record",
            ));
        }
        tenant.leaves.push(sealed.leaf);
        self.seen.records += 1;
        let erased = matches!(record.who, Part::Erased(_)) || matches!(record.what, Part::Erased(_));
        self.seen.erased += u64::from(erased);
        self.seen.erasures_waiting += u64::from(sealed.erasure_waits);
        self.seen.quarantined += u64::from(record.unreadable.is_some());
        tenant.last = Some(record);
        Ok(())
    }

    /// The tenant's records are at their end.
    pub fn end_tenant(&mut self) -> Found {
        let number = self.progress.batch + 1;
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let Some(Tenant { entry, leaves, .. }) = batch.tenant.take().filter(|_| !batch.removed) else { return Ok(()) };
        let found = |what, detail: &str| Box::new(Finding::of_tenant(what, number, &entry.tenant, detail));
        if leaves.size() < entry.records {
            let missing = entry.records - leaves.size();
            return Err(found(
                Tampering::CountShort,
                &format!("{missing} sealed records are gone, and their hashes with them"),
            ));
        }
        if leaves.root() != entry.root {
            return Err(found(Tampering::Changed, "a record and the hash kept of it were changed together"));
        }
        Ok(())
    }

    /// The batch is at its end.
    pub fn end_batch(&mut self) -> Found {
        let number = self.progress.batch + 1;
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let sealed = batch.signed.checkpoint();
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        if batch.entries.size() != sealed.tenants || batch.records != sealed.records {
            return Err(found(
                Tampering::CountShort,
                "it has another number of tenants or records than its checkpoint says",
            ));
        }
        if batch.entries.root() != sealed.root {
            return Err(found(Tampering::Changed, "the tenants' entries are not those that were sealed"));
        }
        self.seen.batches += 1;
        if batch.removed {
            self.removed = number;
            self.seen.removed_batches += 1;
            self.seen.removed_records += sealed.records;
        }
        self.progress = Progress { batch: number, checkpoint: batch.signed.hash(), total: sealed.total };
        Ok(())
    }

    /// A leaf of the batch that belongs to none of its tenants' counts.
    pub fn surplus(&self, id: &str) -> Found {
        let finding =
            Finding::in_batch(Tampering::Added, self.progress.batch + 1, "the batch has more records than were sealed");
        Err(Box::new(Finding { record: Some(id.to_owned()), ..finding }))
    }

    /// There are no more batches.
    pub fn end(&self) -> Found {
        let found = |what, batch, detail: &str| Err(Box::new(Finding::in_batch(what, batch, detail)));
        if self.removed > self.declared {
            let first = self.declared.max(self.removed - self.seen.removed_batches) + 1;
            return found(
                Tampering::Removed,
                first,
                "its records were removed, and no checkpoint declares that retention did",
            );
        }
        match self.outside.last() {
            Some(last) if last > self.progress.batch => found(
                Tampering::RolledBack,
                last,
                "the database ends before this batch, whose checkpoint was handed out: it is an older copy",
            ),
            _ => Ok(()),
        }
    }
}

impl Finding {
    /// What is wrong with a batch as a whole.
    #[must_use]
    pub fn in_batch(what: Tampering, batch: u64, detail: &str) -> Self {
        Self { what, batch: Some(batch), tenant: None, record: None, detail: detail.to_owned() }
    }

    fn of_tenant(what: Tampering, batch: u64, tenant: &str, detail: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..Self::in_batch(what, batch, detail) }
    }

    /// A record that was added past the database's triggers.
    #[must_use]
    pub fn added(record: String) -> Self {
        let detail = "the record was added past the triggers: it is neither sealed nor waiting to be".to_owned();
        Self { what: Tampering::Added, batch: None, tenant: None, record: Some(record), detail }
    }

    /// A record that is sealed or waits to be sealed more than once.
    #[must_use]
    pub fn sealed_again(record: String) -> Self {
        let detail = "the record is sealed, or waits to be sealed, more than once".to_owned();
        Self { what: Tampering::Added, batch: None, tenant: None, record: Some(record), detail }
    }

    /// A record that waits to be sealed under another position than its own.
    #[must_use]
    pub fn waits_elsewhere(record: String) -> Self {
        let detail = "the record waits to be sealed under another position than it has".to_owned();
        Self { what: Tampering::Changed, batch: None, tenant: None, record: Some(record), detail }
    }

    /// A record that was removed before it was sealed.
    #[must_use]
    pub fn removed_unsealed(record: String) -> Self {
        let detail = "the record waited to be sealed and is gone".to_owned();
        Self { what: Tampering::Removed, batch: None, tenant: None, record: Some(record), detail }
    }
}
