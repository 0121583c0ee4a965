//! The audit log and its checkpoints outside.

use std::time::Duration;

use rylie_audit::{Outside, SignedCheckpoint, SigningKey, Verifier};
use rylie_maintenance::{DoctorFacts, Outcome, Verdict, kept_checkpoints, verify_audit};
use rylie_repositories::AuditReader;

use super::{Wanted, limited};
use crate::config::Config;
use crate::database::Database;

/// Sealed records up to which each run verifies the whole log.
const WHOLE: u64 = 20_000;

/// Checks the key that signs checkpoints and certificates.
pub(super) fn key(config: &Config, wanted: &Wanted<'_>, facts: &mut DoctorFacts) {
    const ID: &str = "application.audit-key";
    if !wanted.has(ID) {
        return;
    }
    let outcome = match config.audit_key().map(SigningKey::load) {
        None => Outcome::not_checked("no signing key is configured; set `audit_key` where the log is sealed"),
        Some(Ok(_)) => Outcome::ok("the signing key can be read"),
        Some(Err(error)) => Outcome::found(Verdict::Critical, "signing key", super::in_words(&error)),
    };
    facts.outcomes.insert(ID, outcome);
}

pub(super) async fn look(database: &Database, wanted: &Wanted<'_>, part: Duration, facts: &mut DoctorFacts) {
    let (log, checkpoint) = ("application.audit-log", "application.audit-checkpoint");
    if ![log, checkpoint, "application.marker"].iter().any(|id| wanted.has(id)) {
        return;
    }
    let reader = match limited(part, database.audit_reader()).await {
        Ok(reader) => reader,
        Err(reason) => {
            facts.outcomes.insert(log, Outcome::not_checked(reason.clone()));
            facts.outcomes.insert(checkpoint, Outcome::not_checked(reason));
            return;
        }
    };
    compare_marker(database, &reader, facts).await;
    let outside = outside(database, part).await;
    let verified = tokio::time::timeout(part, verify(&reader, wanted.options.deep, outside.as_ref())).await;
    let verified = verified
        .unwrap_or_else(|_| Outcome::not_checked("verification took too long; `rylie audit verify` has no limit"));
    facts.outcomes.insert(log, verified);
    drop(reader);
    // A statement that failed has ended the transaction of the first reader.
    let aged = match limited(part, database.audit_reader()).await {
        Err(reason) => Outcome::not_checked(reason),
        Ok(reader) => tokio::time::timeout(part, age(&reader, outside.as_ref(), wanted, facts))
            .await
            .unwrap_or_else(|_| Outcome::not_checked("the seals could not be read in time")),
    };
    facts.outcomes.insert(checkpoint, aged);
}

/// Compares the fingerprint with that of the newest checkpoint, if nothing else was there to compare it with.
async fn compare_marker(database: &Database, reader: &AuditReader, facts: &mut DoctorFacts) {
    const ID: &str = "application.marker";
    if facts.outcomes.get(ID).is_none_or(|outcome| outcome.reason.is_none()) {
        return;
    }
    let Ok(Some(found)) = database.stored_fingerprint().await else { return };
    let newest = match reader.extent().await {
        Ok(extent) if extent.batches > 0 => reader.batch_after(extent.batches - 1).await.ok().flatten(),
        _ => None,
    };
    let Some(signed) = newest.and_then(|batch| SignedCheckpoint::parse(&batch.checkpoint).ok()) else { return };
    let sealed = &signed.checkpoint().database;
    let outcome = if *sealed == found {
        Outcome::ok("the fingerprint is that of the newest checkpoint")
    } else {
        let detail = format!(
            "the fingerprint is {found}, and the newest checkpoint is of {sealed}; a copy gets its own by sealing"
        );
        Outcome::found(Verdict::Warning, "table rylie_database", detail)
    };
    facts.outcomes.insert(ID, outcome);
}

/// The checkpoints at the configured place; `None` if none is configured.
async fn outside(database: &Database, part: Duration) -> Option<Result<Outside, String>> {
    let place = database.config().audit_checkpoints()?.to_owned();
    // The place may be object storage, whose client blocks its thread.
    let reading = tokio::task::spawn_blocking(move || kept_checkpoints(&place).map(Option::unwrap_or_default));
    let read = tokio::time::timeout(part, reading).await;
    Some(match read {
        Ok(Ok(Ok(outside))) => Ok(outside),
        Ok(Ok(Err(error))) => Err(super::in_words(&error)),
        Ok(Err(_)) | Err(_) => Err("the place of the checkpoints does not answer".to_owned()),
    })
}

async fn verify(reader: &AuditReader, deep: bool, outside: Option<&Result<Outside, String>>) -> Outcome {
    let extent = match reader.extent().await {
        Ok(extent) => extent,
        Err(error) => return Outcome::not_checked(super::in_words(&error)),
    };
    let outside = outside.and_then(|outside| outside.as_ref().ok()).cloned().unwrap_or_default();
    if extent.records > WHOLE && !deep {
        let found = match (reader.wrongly_waiting().await, reader.structure_of(extent.batches, extent.batches).await) {
            (Ok(waiting), Ok(structure)) => waiting.or(structure),
            (Err(error), _) | (_, Err(error)) => return Outcome::not_checked(super::in_words(&error)),
        };
        return match found {
            Some(finding) => Outcome::found(Verdict::Critical, "audit log", finding.to_string()),
            None => Outcome::not_checked(format!(
                "the log has {} sealed records; only the structure of its last batch was looked at: `rylie audit verify` checks all",
                extent.records
            )),
        };
    }
    match verify_audit(reader, Verifier::new(&[], outside), &mut |_, _| {}).await {
        Err(error) => Outcome::not_checked(super::in_words(&error)),
        Ok(verification) => match verification.first_bad {
            Some(finding) => Outcome::found(Verdict::Critical, "audit log", finding.to_string()),
            None => Outcome::ok(format!("{} sealed records are unchanged", verification.seen.records)),
        },
    }
}

/// The age of the newest batch that the place outside confirms.
async fn age(
    reader: &AuditReader,
    outside: Option<&Result<Outside, String>>,
    wanted: &Wanted<'_>,
    facts: &DoctorFacts,
) -> Outcome {
    let last = match reader.extent().await {
        Ok(extent) if extent.batches == 0 => {
            return Outcome::not_checked("the log was never sealed; see application.audit-backlog");
        }
        Ok(extent) => extent.batches,
        Err(error) => return Outcome::not_checked(super::in_words(&error)),
    };
    let outside = match outside {
        None => return Outcome::not_checked("no place for checkpoints is configured; set audit_checkpoints"),
        Some(Err(reason)) => {
            return Outcome::found(Verdict::Critical, "checkpoints", format!("cannot be read: {reason}"));
        }
        Some(Ok(outside)) => outside,
    };
    let limits = wanted.limit("application.audit-checkpoint");
    // The newest batch is confirmed in normal operation; a few more cover a place that is behind.
    for batch in (1..=last).rev().take(50) {
        let signed = match reader.batch_after(batch - 1).await {
            Ok(Some(batch)) => SignedCheckpoint::parse(&batch.checkpoint).ok(),
            Ok(None) => None,
            Err(error) => return Outcome::not_checked(super::in_words(&error)),
        };
        let Some(signed) = signed.filter(|signed| outside.contains(signed)) else { continue };
        let at = signed.checkpoint().time;
        #[expect(clippy::cast_precision_loss, reason = "days")]
        let days = (facts.at - at).num_minutes() as f64 / 1_440.0;
        let detail = format!("the newest checkpoint outside is of {}, batch {batch} of {last}", at.format("%F %T"));
        return if days >= limits.critical {
            Outcome::found(Verdict::Critical, "checkpoints", detail)
        } else if days >= limits.warning {
            Outcome::found(Verdict::Warning, "checkpoints", detail)
        } else {
            Outcome::ok(detail)
        };
    }
    Outcome::found(
        Verdict::Critical,
        "checkpoints",
        format!("none of the last batches up to {last} is confirmed outside"),
    )
}
