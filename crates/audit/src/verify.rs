//! Verification: a state machine that is given what the database holds, in order, and finds what was done to it.
//!
//! It remembers one checkpoint, one tenant's tree and the batch's, so a million records take no more memory than one.
//!
//! Longer than usual: its steps are methods of one state, in the order in which they are called.

mod finding;
mod stored;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::{Checkpoint, Digest, Outside, Part, PublicKey, Record, SignedCheckpoint, TenantEntry, Tree};

pub use finding::{Finding, Tampering};
pub use stored::{Progress, SealedBatch, SealedLeaf, SealedTenant, Seen, StoredRecord};

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
