//! Sealing pending audit records.

use rylie_audit::{CheckpointSink, Error as AuditError, SignedCheckpoint, SigningKey};
use rylie_repositories::{NewSeal, Store};

use crate::error::{Error, Result};
use crate::work::Work;

/// Number of records sealed in one transaction: some tens of megabytes of memory, and less than a second.
const BATCH: u64 = 10_000;

/// Number of checkpoints published at a time.
const HANDED_OUT: u64 = 1_000;

const HANDING_OUT: &str = "publishing checkpoints";

/// The outcome of a run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SealedAudit {
    /// Number of sealed records.
    pub records: u64,
    /// The checkpoints, oldest first. At least one, without records if none waited.
    pub checkpoints: Vec<SignedCheckpoint>,
}

/// Seals all waiting records, batch by batch, and publishes the checkpoints. Without waiting records it publishes a
/// heartbeat, so that a missing one can be noticed.
///
/// Any number of processes may run it: one seals, the others fail with [`Error::Sealing`]. Writers of the log do not
/// wait. A sink that remembers its checkpoints first gets those that it missed, as after a crash between sealing and
/// publishing. If its last checkpoint differs from the database's, this fails and nothing is sealed. The error is
/// [`Error::Data`], and its source [`Diverged`](rylie_audit::Error::Diverged),
/// [`RolledBack`](rylie_audit::Error::RolledBack) or [`OtherDatabase`](rylie_audit::Error::OtherDatabase).
///
/// If some of several sinks cannot be reached, it seals, publishes to the others, and then fails with the first error.
/// If none can be reached, nothing is sealed.
///
/// Fails with [`Error::Data`] ([`MayNotSeal`](rylie_repositories::Error::MayNotSeal)) if the login may not assume the
/// role `rylie_sealer`.
pub async fn seal_audit(store: &dyn Store, key: &SigningKey, sinks: &[&dyn CheckpointSink]) -> Result<SealedAudit> {
    seal_and_declare(store, key, sinks, 0).await
}

/// As [`seal_audit`], and declares that batches up to `removed` may be removed.
pub(crate) async fn seal_and_declare(
    store: &dyn Store,
    key: &SigningKey,
    sinks: &[&dyn CheckpointSink],
    removed: u64,
) -> Result<SealedAudit> {
    let mut sealed = SealedAudit::default();
    let (mut reached, mut lost) = (sinks.iter().all(|sink| !sink.remembers()), None);
    for sink in sinks.iter().filter(|sink| sink.remembers()) {
        match hand_out(store, *sink).await {
            Ok(()) => reached = true,
            Err(error) if is_unreachable(&error) => lost = lost.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = lost.take_if(|_| !reached) {
        return Err(error);
    }
    loop {
        let unit = work("records that wait to be sealed", "sealing the audit log").open(store).await?;
        let sealing = unit.done(unit.audit_seals().seal(key, BATCH, removed).await)?;
        let NewSeal { checkpoint, more } = unit.commit(Ok(sealing.ok_or(Error::Sealing)?)).await?;
        for sink in sinks.iter().filter(|sink| !sink.remembers()) {
            sink.keep(&checkpoint).map_err(handing_out)?;
        }
        sealed.records += checkpoint.checkpoint().records;
        sealed.checkpoints.push(checkpoint);
        // The record of this sealing's own grant waits for the next run.
        if !more {
            break;
        }
    }
    for sink in sinks.iter().filter(|sink| sink.remembers()) {
        lost = lost.or(hand_out(store, *sink).await.err());
    }
    lost.map_or(Ok(sealed), Err)
}

/// Returns whether a place of checkpoints could not be read or written, which says nothing about its contents.
fn is_unreachable(error: &Error) -> bool {
    use rylie_repositories::Error::Audit;
    matches!(error, Error::Data { source: Audit(AuditError::File { .. } | AuditError::Store { .. }), .. })
}

/// Publishes the checkpoints that a sink does not have yet.
async fn hand_out(store: &dyn Store, sink: &dyn CheckpointSink) -> Result<()> {
    let mut last = sink.last().map_err(handing_out)?;
    // The first page begins with the sink's last checkpoint.
    let mut after = last.as_ref().map_or(0, |last| last.checkpoint().batch.saturating_sub(1));
    loop {
        let page = checkpoints_after(store, after).await?;
        let mut missed = page.iter();
        if let Some(last) = last.take() {
            agrees(store, missed.next(), &last).await?;
        }
        missed.try_for_each(|checkpoint| sink.keep(checkpoint)).map_err(handing_out)?;
        match page.last() {
            Some(end) if page.len() as u64 == HANDED_OUT => after = end.checkpoint().batch,
            _ => return Ok(()),
        }
    }
}

/// Checks that the sink's last checkpoint equals `ours`, the database's of that batch.
async fn agrees(store: &dyn Store, ours: Option<&SignedCheckpoint>, last: &SignedCheckpoint) -> Result<()> {
    if ours.is_some_and(|ours| ours.hash() == last.hash()) {
        return Ok(());
    }
    let unit = work("whose checkpoints are outside", HANDING_OUT).read(store).await?;
    let (batch, database) = (last.checkpoint().batch, unit.done(unit.audit_seals().database().await)?);
    Err(handing_out(match ours {
        _ if last.checkpoint().database != database => AuditError::OtherDatabase,
        None => AuditError::RolledBack { batch },
        Some(_) => AuditError::Diverged { batch },
    }))
}

/// Reads checkpoints in a unit that ends before they are sent to the sink, which may be slow.
async fn checkpoints_after(store: &dyn Store, after: u64) -> Result<Vec<SignedCheckpoint>> {
    let unit = work("checkpoints to be handed out", HANDING_OUT).read(store).await?;
    unit.done(unit.audit_seals().checkpoints_after(after, HANDED_OUT).await)
}

fn work(reason: &'static str, doing: &'static str) -> Work {
    Work { job: "seal-audit", reason, doing }
}

fn handing_out(error: AuditError) -> Error {
    Error::Data { doing: HANDING_OUT, source: error.into() }
}
