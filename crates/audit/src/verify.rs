//! Verification: a state machine that receives the database's contents in order and reports tampering.
//!
//! It keeps one checkpoint, one tenant's tree and the batch's tree, so its memory does not grow with the number of
//! records.
//!
//! This file is long because its steps are methods of one state, in the order in which they are called.

mod finding;
mod stored;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::merkle::leaf_hash;
use crate::{Checkpoint, Digest, Outside, PublicKey, SignedCheckpoint, TenantEntry, Tree, Witnesses};

pub use finding::{Finding, Tampering};
pub use stored::{HashedLeaf, HashedRecord, SealedBatch, SealedLeaf, SealedTenant, Seen, StoredRecord, VerifiedUpTo};

/// A running verification.
#[derive(Debug)]
pub struct Verifier {
    trusted: BTreeSet<String>,
    outside: Outside,
    /// The first checkpoint that was read, while no external checkpoint names a database of the log.
    foreign: Option<u64>,
    begun: bool,
    progress: VerifiedUpTo,
    batch: Option<Batch>,
    seen: Seen,
    /// The last checkpoint checked between the external one and the end of the earlier verification.
    link: Option<(u64, Digest)>,
    /// The last batch whose records were removed.
    removed: u64,
    /// The last batch that the latest checkpoint declares as removed.
    declared: u64,
    witnesses: Witnesses,
    /// The tree over the checkpoints, which witnesses sign. Empty without witnesses.
    history: Tree,
    /// The database that the last checkpoint names.
    database: String,
}

/// The current batch.
#[derive(Debug)]
struct Batch {
    signed: SignedCheckpoint,
    removed: bool,
    entries: Tree,
    records: u64,
    /// The previous tenant, for the order.
    last: Option<String>,
    tenant: Option<Tenant>,
}

/// The current tenant.
#[derive(Debug)]
struct Tenant {
    entry: TenantEntry,
    leaves: Tree,
    /// The key of order of the previous record.
    last: Option<(Option<i64>, i64, String)>,
}

type Found = Result<(), Box<Finding>>;

impl Verifier {
    /// Creates a verification. `trusted` are the trusted keys. If empty, the keys of `outside` are trusted; if that is
    /// empty too, any key.
    #[must_use]
    pub fn new(trusted: &[PublicKey], outside: Outside) -> Self {
        let mut trusted: BTreeSet<_> = trusted.iter().map(ToString::to_string).collect();
        if trusted.is_empty() {
            trusted.extend(outside.keys().cloned());
        }
        let progress = VerifiedUpTo { batch: 0, checkpoint: Digest::NONE, total: 0, database: None };
        let (seen, link) = (Seen::default(), None);
        let (foreign, begun, batch) = (None, false, None);
        let (removed, declared, witnesses, history, database) =
            (0, 0, Witnesses::default(), Tree::default(), String::new());
        Self {
            trusted,
            outside,
            foreign,
            begun,
            progress,
            batch,
            seen,
            link,
            removed,
            declared,
            witnesses,
            history,
            database,
        }
    }

    /// Requires that the witnesses have seen this log. A resumed verification then reads every earlier checkpoint again,
    /// but no record.
    #[must_use]
    pub fn witnessed(mut self, witnesses: Witnesses) -> Self {
        self.witnesses = witnesses;
        self
    }

    /// Continues after an earlier verification, whose batches are not checked again. Use [`link`](Self::link) to check
    /// that the database still has its last checkpoint.
    #[must_use]
    pub fn resume(mut self, progress: VerifiedUpTo) -> Self {
        self.progress = progress;
        self
    }

    /// Returns whether a checkpoint, a witness or an earlier verification has seen a batch.
    #[must_use]
    pub fn expects_batches(&self) -> bool {
        self.progress.batch > 0 || !self.outside.is_empty() || !self.witnesses.is_empty()
    }

    /// Returns the progress, up to the last fully verified batch.
    #[must_use]
    pub fn progress(&self) -> &VerifiedUpTo {
        &self.progress
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Returns the batches whose checkpoints [`link`](Self::link) needs first, in order: from the last external one to
    /// the last of the earlier verification. Empty for a new verification.
    #[must_use]
    pub fn links(&self) -> RangeInclusive<u64> {
        let last = self.progress.batch;
        if !self.witnesses.is_empty() {
            return 1..=last;
        }
        self.outside.last_until(last).unwrap_or(last).max(1)..=last
    }

    /// Checks the next of [`links`](Self::links); `None` if the database ends before it.
    pub fn link(&mut self, batch: Option<&SealedBatch>) -> Found {
        let number = self.link.map_or(*self.links().start(), |(last, _)| last + 1);
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        let Some(batch) = batch else {
            return Err(found(
                Tampering::RolledBack,
                "the database ends before this batch, which was verified earlier",
            ));
        };
        // A log keeps its earlier checkpoints when its database gets a new fingerprint.
        let earlier = self.progress.database.as_ref().filter(|_| number == self.progress.batch);
        if let (Some(earlier), Ok(signed)) = (earlier, SignedCheckpoint::parse(&batch.checkpoint))
            && signed.checkpoint().database != *earlier
        {
            return Err(Box::new(Finding::other_database(number)));
        }
        let signed = self.checkpoint(number, batch)?;
        if self.link.is_some_and(|(_, before)| before != signed.checkpoint().previous) {
            return Err(found(Tampering::ForgedCheckpoint, "its checkpoint does not follow the one before"));
        }
        if number == self.progress.batch && signed.hash() != self.progress.checkpoint {
            return Err(found(Tampering::Rehashed, "its checkpoint differs from the one that was verified earlier"));
        }
        if number == self.progress.batch && signed.checkpoint().total != self.progress.total {
            return Err(found(Tampering::CountShort, "its total differs from that of the earlier verification"));
        }
        self.begun = true;
        self.link = Some((number, signed.hash()));
        self.witness(&signed)
    }

    /// Checks the first batch of a log that ends before the earlier verification. A log of another database is not an
    /// older copy.
    pub fn belongs(&self, first: &SealedBatch) -> Found {
        match (&self.progress.database, SignedCheckpoint::parse(&first.checkpoint)) {
            (Some(earlier), Ok(signed)) if signed.checkpoint().database != *earlier => {
                Err(Box::new(Finding::other_database(first.batch)))
            }
            _ => Ok(()),
        }
    }

    /// Returns the checkpoint of a batch, if it belongs to the batch, agrees with the external ones, and is signed by a
    /// trusted key. A violation is the kind [`Tampering::OtherDatabase`] while the log shares no database with the
    /// external checkpoints.
    fn checkpoint(&mut self, number: u64, batch: &SealedBatch) -> Result<SignedCheckpoint, Box<Finding>> {
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        if batch.batch != number {
            return Err(found(Tampering::ForgedCheckpoint, "the batch and its checkpoint are missing"));
        }
        let signed = SignedCheckpoint::parse(&batch.checkpoint);
        let signed = signed.map_err(|error| found(Tampering::ForgedCheckpoint, &error.to_string()))?;
        if signed.checkpoint().batch != number {
            return Err(found(Tampering::ForgedCheckpoint, "its checkpoint belongs to another batch"));
        }
        // A copy with a new fingerprint continues the log, so a later checkpoint may name the external ones' database.
        if !self.outside.is_of_another_database(&signed) {
            self.foreign = None;
        } else if !self.begun {
            self.foreign = Some(number);
        }
        let key = signed.key().to_string();
        let (contradicts, untrusted) =
            (self.outside.contradicts(&signed), !self.trusted.is_empty() && !self.trusted.contains(&key));
        if let Some(first) = self.foreign.filter(|_| contradicts || untrusted) {
            return Err(Box::new(Finding::other_database(first)));
        }
        if contradicts {
            return Err(found(
                Tampering::Rehashed,
                "its checkpoint differs from the published one; the log was rebuilt from this batch on",
            ));
        }
        if untrusted {
            return Err(found(Tampering::ForgedCheckpoint, &format!("it is signed by {key}, which is not trusted")));
        }
        Ok(signed)
    }

    /// Compares the tree over the checkpoints with the statements of the witnesses.
    fn witness(&mut self, signed: &SignedCheckpoint) -> Found {
        if self.witnesses.is_empty() {
            return Ok(());
        }
        self.history.push(leaf_hash(signed.body().as_bytes()));
        let checkpoint = signed.checkpoint();
        self.database.clone_from(&checkpoint.database);
        match self.witnesses.contradicting(checkpoint, self.history.root()) {
            None => Ok(()),
            Some((_, database)) if database != checkpoint.database => {
                Err(Box::new(Finding::other_database(checkpoint.batch)))
            }
            Some((name, _)) => Err(Box::new(Finding::in_batch(
                Tampering::Rehashed,
                checkpoint.batch,
                &format!("the witness {name} has seen another log up to this batch: it was rebuilt or forked"),
            ))),
        }
    }

    /// Begins the next batch. Returns whether its leaves follow; its tenants always do. Fails with the finding.
    pub fn begin_batch(&mut self, batch: &SealedBatch) -> Result<bool, Box<Finding>> {
        let number = self.progress.batch + 1;
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        let signed = self.checkpoint(number, batch)?;
        let Checkpoint { previous, total, records, removed, time, .. } = *signed.checkpoint();
        if previous != self.progress.checkpoint {
            return Err(found(Tampering::ForgedCheckpoint, "its checkpoint does not follow the one before"));
        }
        // It may name another database: a copy with a new fingerprint continues the log, linked by the hash.
        self.begun = true;
        if self.progress.total.checked_add(records) != Some(total) {
            return Err(found(Tampering::CountShort, "the running count does not add up"));
        }
        if (batch.records, batch.total, batch.sealed_at) != (records, total, Some(time)) {
            return Err(found(Tampering::Changed, "the batch's row differs from its checkpoint"));
        }
        if removed < self.declared || removed >= number {
            return Err(found(Tampering::ForgedCheckpoint, "its declaration of removed batches is invalid"));
        }
        // Retention removes the oldest batches first; this verification may begin after them.
        let in_turn = self.seen.batches == self.seen.removed_batches;
        if batch.removed && !in_turn {
            return Err(found(Tampering::Removed, "its records were removed, but older ones exist"));
        }
        self.witness(&signed)?;
        self.seen.keys.insert(signed.key().to_string());
        self.declared = removed;
        let removed = batch.removed;
        self.batch = Some(Batch { signed, removed, entries: Tree::default(), records: 0, last: None, tenant: None });
        Ok(!removed)
    }

    /// Begins the next tenant of the batch.
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

    /// Checks the next record of the tenant. A [`SealedLeaf`] is hashed first.
    pub fn record(&mut self, sealed: impl Into<HashedLeaf>) -> Found {
        let number = self.progress.batch + 1;
        let Some(tenant) = self.batch.as_mut().and_then(|batch| batch.tenant.as_mut()) else { return Ok(()) };
        let HashedLeaf { id, leaf, record, emptied, erasure_waits } = sealed.into();
        let found = |what, detail: &str| {
            let finding = Finding::of_tenant(what, number, &tenant.entry.tenant, detail);
            Box::new(Finding { record: Some(id.clone()), ..finding })
        };
        let (hash, of, order, erased, quarantined) = match record {
            HashedRecord::Whole { hash, tenant, order, who_erased, what_erased, quarantined } => {
                (hash, tenant, order, who_erased || what_erased, quarantined)
            }
            HashedRecord::Unreadable => {
                return Err(found(Tampering::Changed, "the record has a value that the service never writes"));
            }
            HashedRecord::Gone => return Err(found(Tampering::Removed, "the record was sealed and is gone")),
        };
        if tenant.leaves.size() == tenant.entry.records {
            return Err(found(Tampering::Added, "the tenant has more records in this batch than were sealed"));
        }
        if of != tenant.entry.tenant {
            return Err(found(Tampering::Changed, "the record was moved to another tenant"));
        }
        if tenant.last.as_ref().is_some_and(|last| *last > order) {
            return Err(found(Tampering::Reordered, "the record comes before one that was sealed earlier"));
        }
        if hash != leaf {
            return Err(found(Tampering::Changed, "the record is not what was sealed"));
        }
        if emptied {
            return Err(found(
                Tampering::Emptied,
                "a personal part is missing, and no erasure in the log names the record",
            ));
        }
        tenant.leaves.push(leaf);
        self.seen.records += 1;
        self.seen.erased += u64::from(erased);
        self.seen.erasures_waiting += u64::from(erasure_waits);
        self.seen.quarantined += u64::from(quarantined);
        tenant.last = Some(order);
        Ok(())
    }

    /// Ends the tenant's records.
    pub fn end_tenant(&mut self) -> Found {
        let number = self.progress.batch + 1;
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let Some(Tenant { entry, leaves, .. }) = batch.tenant.take().filter(|_| !batch.removed) else { return Ok(()) };
        let found = |what, detail: &str| Box::new(Finding::of_tenant(what, number, &entry.tenant, detail));
        if leaves.size() < entry.records {
            let missing = entry.records - leaves.size();
            return Err(found(
                Tampering::CountShort,
                &format!("{missing} sealed records and their hashes are missing"),
            ));
        }
        if leaves.root() != entry.root {
            return Err(found(Tampering::Changed, "a record and its stored hash were changed together"));
        }
        Ok(())
    }

    /// Ends the batch.
    pub fn end_batch(&mut self) -> Found {
        let number = self.progress.batch + 1;
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let sealed = batch.signed.checkpoint();
        let found = |what, detail: &str| Box::new(Finding::in_batch(what, number, detail));
        if batch.entries.size() != sealed.tenants || batch.records != sealed.records {
            return Err(found(Tampering::CountShort, "its number of tenants or records differs from its checkpoint"));
        }
        if batch.entries.root() != sealed.root {
            return Err(found(Tampering::Changed, "the tenants' entries differ from the sealed ones"));
        }
        self.seen.batches += 1;
        if batch.removed {
            self.removed = number;
            self.seen.removed_batches += 1;
            self.seen.removed_records += sealed.records;
        }
        let (checkpoint, total) = (batch.signed.hash(), sealed.total);
        let database = Some(sealed.database.clone());
        self.progress = VerifiedUpTo { batch: number, checkpoint, total, database };
        Ok(())
    }

    /// Reports a leaf of the batch that no tenant's count covers.
    pub fn surplus(&self, id: &str) -> Found {
        let finding =
            Finding::in_batch(Tampering::Added, self.progress.batch + 1, "the batch has more records than were sealed");
        Err(Box::new(Finding { record: Some(id.to_owned()), ..finding }))
    }

    /// Ends the verification.
    pub fn end(&mut self) -> Found {
        let found = |what, batch, detail: &str| Err(Box::new(Finding::in_batch(what, batch, detail)));
        if let Some(first) = self.foreign {
            return Err(Box::new(Finding::other_database(first)));
        }
        if self.removed > self.declared {
            let first = self.declared.max(self.removed - self.seen.removed_batches) + 1;
            return found(
                Tampering::Removed,
                first,
                "its records were removed, and no checkpoint declares a removal by retention",
            );
        }
        match self.outside.last() {
            Some(last) if last > self.progress.batch => found(
                Tampering::RolledBack,
                last,
                "the database ends before this batch, whose checkpoint was published: it is an older copy",
            ),
            _ => self.end_witnesses(),
        }
    }

    fn end_witnesses(&mut self) -> Found {
        if self.witnesses.is_empty() {
            return Ok(());
        }
        let last = self.progress.batch;
        if let Some((name, size, database)) = self.witnesses.beyond(last) {
            if database != self.database && last > 0 {
                return Err(Box::new(Finding::other_database(last)));
            }
            let detail = format!("the database ends before this batch, which the witness {name} has seen");
            return Err(Box::new(Finding::in_batch(Tampering::RolledBack, size, &detail)));
        }
        self.seen.witnessed = self.witnesses.witnessed();
        if self.seen.witnessed == 0 && last > 0 {
            let (required, all) = self.witnesses.required();
            let detail = format!("fewer than {required} of {all} witnesses have seen this log");
            return Err(Box::new(Finding::in_batch(Tampering::Unwitnessed, 1, &detail)));
        }
        Ok(())
    }
}
