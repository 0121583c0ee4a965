//! Verifying the audit log: reads it once, in the order of the batches, and passes it to the verifier, which needs
//! little memory.

mod pages;

use rylie_audit::{Finding, SealedBatch, Seen, VerifiedUpTo, Verifier};
use rylie_repositories::AuditReader;

use self::pages::{Batches, Leaves, Tenants};
use crate::error::{Error, Result};

/// Number of records whose places one statement counts. On PostgreSQL each reads the tables whole.
const STRAYS: u64 = 500_000;

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

/// Checks that the tables are what a deploy makes, then every batch that the verifier has not seen. Then checks the whole
/// log: every record is sealed or waiting, exactly once, and the seals contain only what a checkpoint counts.
///
/// Stops at the first finding. Calls `report` with the counts and the progress after each batch and every few thousand
/// records. Memory does not grow with the log: at most three pages of leaves are in memory, one that is read, one that is
/// hashed on a thread for such work, and one that is checked. Dropping the call stops it; nothing is written.
///
/// A finding is no error. Fails with [`Error::Data`] if the log cannot be read.
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
    found(reader.relations(verifier.expects_batches()).await?)?;
    for number in verifier.links() {
        let batch = reader.batch_after(number - 1).await?;
        if batch.is_none()
            && let Some(first) = reader.batch_after(0).await?
        {
            verifier.belongs(&first)?;
        }
        verifier.link(batch.as_ref())?;
    }
    let begin = verifier.progress().batch;
    let mut log = Log {
        batches: Batches::after(reader, begin),
        tenants: Tenants::after(reader, begin),
        leaves: Leaves::after(reader, begin),
    };
    while let Some(batch) = log.batches.next().await? {
        // A doubled row is reported with the structure.
        if batch.batch != verifier.progress().batch || batch.batch == 0 {
            check_batch(&mut log, verifier, &batch, report).await?;
        }
    }
    drop(log);
    verifier.end()?;
    let mut key: Option<String> = None;
    loop {
        let page = reader.stray_after(key.as_deref(), STRAYS).await?;
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

/// The tables of the seals, each read once.
struct Log<'r> {
    batches: Batches<'r>,
    tenants: Tenants<'r>,
    leaves: Leaves<'r>,
}

async fn check_batch(
    log: &mut Log<'_>,
    verifier: &mut Verifier,
    batch: &SealedBatch,
    report: Reporter<'_>,
) -> std::result::Result<(), Stop> {
    let has_leaves = verifier.begin_batch(batch)?;
    let mut number = 0;
    while let Some(tenant) = log.tenants.next_of(batch.batch).await? {
        verifier.begin_tenant(tenant)?;
        while has_leaves
            && let Some(leaf) =
                log.leaves.next_of(batch.batch, number, || report(verifier.seen(), verifier.progress())).await?
        {
            verifier.record(leaf)?;
        }
        verifier.end_tenant()?;
        number += 1;
    }
    if has_leaves && let Some(leaf) = log.leaves.next_of(batch.batch, i64::MAX, || ()).await? {
        verifier.surplus(&leaf.id)?;
    }
    verifier.end_batch()?;
    report(verifier.seen(), verifier.progress());
    Ok(())
}
