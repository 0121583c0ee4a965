//! Verifying the audit log: reads pages and passes them to the verifier, which needs little memory.

use std::collections::VecDeque;

use rylie_audit::{Finding, SealedBatch, SealedLeaf, SealedTenant, Seen, VerifiedUpTo, Verifier};
use rylie_repositories::{AuditReader, NumberedLeaf};

use crate::error::{Error, Result};

/// Number of rows read at a time.
const PAGE: u64 = 2_000;

/// Number of batches whose structure one statement checks: they may have two million leaves.
const BATCHES: usize = 200;

/// The outcome of a verification.
#[derive(Clone, Debug)]
pub struct Verification {
    /// The first finding; `None` if all is well.
    pub first_bad: Option<Finding>,
    /// The counts of what was checked.
    pub seen: Seen,
    /// The point from which a later verification may continue.
    pub progress: VerifiedUpTo,
}

/// Checks every batch that the verifier has not seen. Then checks the whole log: every record is sealed or waiting,
/// exactly once, and the seals contain only what a checkpoint counts.
///
/// Stops at the first finding. Calls `report` with the counts and the progress after each batch and every two thousand
/// records. Memory does not grow with the log.
pub async fn verify_audit(
    reader: &AuditReader,
    mut verifier: Verifier,
    report: &mut (dyn FnMut(&Seen, &VerifiedUpTo) + Send),
) -> Result<Verification> {
    let first_bad = match check(reader, &mut verifier, report).await {
        Ok(()) => None,
        Err(Stop::Found(finding)) => Some(*finding),
        Err(Stop::Failed(source)) => return Err(Error::Data { doing: "verifying the audit log", source }),
    };
    Ok(Verification { first_bad, seen: verifier.seen().clone(), progress: verifier.progress().clone() })
}

/// Why a check ends early.
enum Stop {
    Found(Box<Finding>),
    Failed(rylie_repositories::Error),
}

impl From<Box<Finding>> for Stop {
    fn from(finding: Box<Finding>) -> Self {
        Self::Found(finding)
    }
}

impl From<rylie_repositories::Error> for Stop {
    fn from(error: rylie_repositories::Error) -> Self {
        Self::Failed(error)
    }
}

type Reporter<'t> = &'t mut (dyn FnMut(&Seen, &VerifiedUpTo) + Send);

async fn check(reader: &AuditReader, verifier: &mut Verifier, report: Reporter<'_>) -> std::result::Result<(), Stop> {
    for number in verifier.links() {
        let batch = reader.batch_after(number - 1).await?;
        if batch.is_none()
            && let Some(first) = reader.batch_after(0).await?
        {
            verifier.belongs(&first)?;
        }
        verifier.link(batch.as_ref())?;
    }
    while let Some(batch) = reader.batch_after(verifier.progress().batch).await? {
        check_batch(reader, verifier, &batch, report).await?;
    }
    verifier.end()?;
    let mut key: Option<String> = None;
    loop {
        let page = reader.stray_after(key.as_deref(), PAGE * 5).await?;
        found(page.finding)?;
        if page.next.is_none() {
            break;
        }
        key = page.next;
    }
    found(reader.wrongly_waiting().await?)?;
    let last = verifier.progress().batch;
    found(reader.structure(last).await?)?;
    for first in (1..=last).step_by(BATCHES) {
        found(reader.structure_of(first, last.min(first + BATCHES as u64 - 1)).await?)?;
    }
    Ok(())
}

fn found(finding: Option<Finding>) -> std::result::Result<(), Stop> {
    finding.map_or(Ok(()), |finding| Err(Box::new(finding).into()))
}

async fn check_batch(
    reader: &AuditReader,
    verifier: &mut Verifier,
    batch: &SealedBatch,
    report: Reporter<'_>,
) -> std::result::Result<(), Stop> {
    let mut leaves = Leaves { reader, batch: batch.batch, after: -1, page: VecDeque::new(), ended: false };
    leaves.ended = !verifier.begin_batch(batch)?;
    let (mut number, mut tenants) = (0, VecDeque::<SealedTenant>::new());
    loop {
        if tenants.is_empty() {
            tenants = reader.tenants(batch.batch, number - 1, PAGE).await?.into();
        }
        let Some(tenant) = tenants.pop_front() else { break };
        verifier.begin_tenant(tenant)?;
        while let Some(leaf) = leaves.next_of(number, || report(verifier.seen(), verifier.progress())).await? {
            verifier.record(leaf)?;
        }
        verifier.end_tenant()?;
        number += 1;
    }
    if let Some(leaf) = leaves.next_of(i64::MAX, || ()).await? {
        verifier.surplus(&leaf.id)?;
    }
    verifier.end_batch()?;
    report(verifier.seen(), verifier.progress());
    Ok(())
}

/// The leaves of a batch, read in pages.
struct Leaves<'r> {
    reader: &'r AuditReader,
    batch: u64,
    after: i64,
    page: VecDeque<NumberedLeaf>,
    ended: bool,
}

impl Leaves<'_> {
    /// Returns the next leaf, if it belongs to this tenant or an earlier one.
    async fn next_of(&mut self, tenant: i64, report: impl FnOnce()) -> rylie_repositories::Result<Option<SealedLeaf>> {
        if self.page.is_empty() && !self.ended {
            report();
            self.page = self.reader.leaves(self.batch, self.after, PAGE).await?.into();
            self.ended = self.page.is_empty();
        }
        if self.page.front().is_none_or(|next| next.tenant_number > tenant) {
            return Ok(None);
        }
        Ok(self.page.pop_front().map(|next| {
            self.after = next.number;
            next.leaf
        }))
    }
}
