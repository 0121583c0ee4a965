//! The tables of the seals in the order of the batches, read page by page.

use std::collections::VecDeque;

use rylie_audit::{HashedLeaf, SealedBatch, SealedTenant};
use rylie_repositories::{AuditReader, LeafPage, LeafPlace, PlacedLeaf, PlacedTenant, Result};
use tokio::task::JoinHandle;

/// Number of leaves or tenants read at a time. Each leaf comes with its record, of about a kilobyte.
const PAGE: u64 = 4_000;

/// Number of batches read at a time, each with its checkpoint.
const BATCHES: u64 = 500;

/// The batches, ascending.
pub(super) struct Batches<'r> {
    reader: &'r AuditReader,
    after: u64,
    page: VecDeque<SealedBatch>,
    ended: bool,
}

impl<'r> Batches<'r> {
    pub(super) fn after(reader: &'r AuditReader, batch: u64) -> Self {
        Self { reader, after: batch, page: VecDeque::new(), ended: false }
    }

    pub(super) async fn next(&mut self) -> Result<Option<SealedBatch>> {
        if self.page.is_empty() && !self.ended {
            self.page = self.reader.batches_after(self.after, BATCHES).await?.into();
            let last = self.page.back().map_or(0, |last| last.batch);
            // A number that is none does not lead on; the structure reports it.
            self.ended = last <= self.after;
            self.after = last;
        }
        Ok(self.page.pop_front())
    }
}

/// The tenants' entries, in the order of their batches and numbers.
pub(super) struct Tenants<'r> {
    reader: &'r AuditReader,
    after: LeafPlace,
    page: VecDeque<PlacedTenant>,
    ended: bool,
}

impl<'r> Tenants<'r> {
    pub(super) fn after(reader: &'r AuditReader, batch: u64) -> Self {
        Self { reader, after: end_of(batch), page: VecDeque::new(), ended: false }
    }

    /// Returns the next entry of the batch. Entries of earlier batches that do not exist are skipped.
    pub(super) async fn next_of(&mut self, batch: u64) -> Result<Option<SealedTenant>> {
        loop {
            while self.page.is_empty() && !self.ended {
                self.page = self.reader.tenants_after(self.after, PAGE).await?.into();
                let last = self.page.back().map(|tenant| tenant.place);
                self.ended = last.is_none_or(|last| last <= self.after);
                self.after = last.unwrap_or(self.after);
                // A number below the first one is reported with the structure.
                self.page.retain(|tenant| tenant.place.number >= 0);
            }
            if self.page.front().is_none_or(|tenant| tenant.place.batch > batch) {
                return Ok(None);
            }
            if let Some(PlacedTenant { place, tenant }) = self.page.pop_front()
                && place.batch == batch
            {
                return Ok(Some(tenant));
            }
        }
    }
}

/// The leaves, in the order of their batches and numbers. While a page is hashed on a thread for such work, the next one
/// is read.
pub(super) struct Leaves<'r> {
    reader: &'r AuditReader,
    after: LeafPlace,
    hashing: Option<JoinHandle<Vec<PlacedLeaf>>>,
    page: VecDeque<PlacedLeaf>,
    ended: bool,
}

impl<'r> Leaves<'r> {
    pub(super) fn after(reader: &'r AuditReader, batch: u64) -> Self {
        Self { reader, after: end_of(batch), hashing: None, page: VecDeque::new(), ended: false }
    }

    /// Returns the next leaf of the batch, if it belongs to this tenant or an earlier one. Leaves of earlier batches that
    /// do not exist, or whose records were removed, are skipped; the structure reports them. Calls `report` before it
    /// waits for a page.
    pub(super) async fn next_of(
        &mut self,
        batch: u64,
        tenant: i64,
        mut report: impl FnMut(),
    ) -> Result<Option<HashedLeaf>> {
        loop {
            while self.page.is_empty() && !(self.ended && self.hashing.is_none()) {
                report();
                self.turn().await?;
            }
            let Some(next) = self.page.front() else { return Ok(None) };
            let (of, number) = (next.place.batch, next.tenant_number);
            if of > batch || of == batch && number > tenant {
                return Ok(None);
            }
            if let Some(next) = self.page.pop_front()
                && of == batch
            {
                return Ok(Some(next.leaf));
            }
        }
    }

    /// Reads a page while the one before is hashed.
    async fn turn(&mut self) -> Result<()> {
        let (read, hashed) = tokio::join!(read(self.reader, self.after, self.ended), hashed(self.hashing.as_mut()));
        self.hashing = None;
        let page = read?;
        match page.as_ref().and_then(LeafPage::last).filter(|last| *last > self.after) {
            Some(last) => self.after = last,
            None => self.ended = true,
        }
        self.hashing = page.map(|page| tokio::task::spawn_blocking(|| page.hashed()));
        let mut page = hashed?;
        self.reader.look_for_erasures(&mut page).await?;
        // A number below the first one is reported with the structure.
        page.retain(|leaf| leaf.place.number >= 0);
        self.page = page.into();
        Ok(())
    }
}

async fn read(reader: &AuditReader, after: LeafPlace, ended: bool) -> Result<Option<LeafPage>> {
    if ended { Ok(None) } else { reader.leaves_after(after, PAGE).await.map(Some) }
}

async fn hashed(hashing: Option<&mut JoinHandle<Vec<PlacedLeaf>>>) -> Result<Vec<PlacedLeaf>> {
    match hashing {
        Some(hashing) => hashing.await.map_err(|_| rylie_audit::Error::HashingEnded.into()),
        None => Ok(Vec::new()),
    }
}

fn end_of(batch: u64) -> LeafPlace {
    LeafPlace { batch, number: i64::MAX }
}
