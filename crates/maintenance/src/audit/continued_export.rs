//! Checking that a tenant's export continues an earlier one, without a database.

use rylie_audit::{Consistency, Digest, SignedCheckpoint};

use super::check_tenant_audit::CheckedTenantAudit;
use crate::error::{Error, Result};

/// What a later export adds to an earlier one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContinuedExport {
    /// Batches with records of the tenant that the earlier export does not have.
    pub batches: u64,
    /// Sealed records that it does not have.
    pub records: u64,
}

/// Checks that the tenant's sealed log only grew from one export to another: each batch of the earlier one is in the
/// later one, with the same checkpoint and the same records or declared as removed, and every other batch is younger
/// than the earlier export's latest checkpoint. Fails with [`Error::Invalid`] otherwise.
///
/// `proof` are consecutive checkpoints, as of [`read_checkpoints`](crate::read_checkpoints). With them it also checks
/// that the log as a whole continued: the latest checkpoints of both exports and those of all batches in between are in
/// one chain. Without them a holder of the signing key could have signed two logs. Checkpoints that do not follow each
/// other are [`Error::Data`].
pub fn continues_export(
    earlier: &CheckedTenantAudit,
    later: &CheckedTenantAudit,
    proof: Option<&mut dyn Iterator<Item = Result<SignedCheckpoint>>>,
) -> Result<ContinuedExport> {
    if earlier.tenant != later.tenant {
        return Err(wrong("the exports belong to different tenants"));
    }
    let place = |checked: &CheckedTenantAudit| {
        checked.latest.as_ref().map_or((0, Digest::NONE), |latest| (latest.checkpoint().batch, latest.hash()))
    };
    let (until, hash) = place(earlier);
    let (now, now_hash) = place(later);
    if now < until || (now == until && now_hash != hash) {
        return Err(wrong("the log of the later export ends before that of the earlier one, or is another log"));
    }
    for (batch, sealed) in &earlier.batches {
        if later.batches.get(batch).is_none_or(|found| found != sealed) {
            return Err(wrong("a batch of the earlier export is missing in the later one, or differs"));
        }
    }
    let added = || later.batches.iter().filter(|(batch, _)| !earlier.batches.contains_key(batch));
    if added().any(|(batch, _)| *batch <= until) {
        return Err(wrong("the later export has a batch from before the end of the earlier one, which lacks it"));
    }
    if let Some(proof) = proof {
        let mut wanted: Vec<(u64, Digest)> = added().map(|(batch, sealed)| (*batch, sealed.checkpoint)).collect();
        wanted.extend((until > 0).then_some((until, hash)));
        wanted.extend((now > 0).then_some((now, now_hash)));
        wanted.sort_unstable_by_key(|(batch, _)| *batch);
        wanted.dedup();
        in_one_chain(proof, &wanted)?;
    }
    Ok(ContinuedExport { batches: added().count() as u64, records: added().map(|(_, sealed)| sealed.records).sum() })
}

/// Checks that the checkpoints follow each other and contain those that are wanted, which are ascending.
fn in_one_chain(proof: &mut dyn Iterator<Item = Result<SignedCheckpoint>>, wanted: &[(u64, Digest)]) -> Result<()> {
    let (mut chain, mut wanted) = (Consistency::default(), wanted.iter().peekable());
    let from = wanted.peek().map_or(0, |(batch, _)| *batch);
    for next in proof {
        let next = next?;
        let (batch, hash) = (next.checkpoint().batch, next.hash());
        if batch < from {
            continue;
        }
        if let Some(expected) = wanted.next_if(|(wanted, _)| *wanted == batch)
            && expected.1 != hash
        {
            return Err(wrong("the consistency proof belongs to another log than the exports"));
        }
        let failed = |source: rylie_audit::Error| Error::Data { doing: "checking the proof", source: source.into() };
        chain.add(next).map_err(failed)?;
    }
    if wanted.next().is_some() {
        return Err(wrong("the consistency proof does not reach from the earlier export to the later one"));
    }
    Ok(())
}

fn wrong(reason: &str) -> Error {
    Error::invalid("the later export", reason)
}
