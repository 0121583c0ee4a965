//! The checks of a drill that need the platform: migrations, the audit log, the keys.

use rylie_audit::{Outside, PublicKey, SignedCheckpoint, Verifier};
use rylie_maintenance::{Backup, BackupCheck, Error as MaintenanceError, key_report, verify_audit};
use rylie_migration::{MigrationState, Migrations};
use rylie_repositories::Progress;

use crate::database::Database;
use crate::error::Result;
use crate::schema::Schema;

/// Without a signature, anyone who may write to the place of the backups could have made it.
pub(in crate::backup) const UNSIGNED: &str =
    "it is not signed; if it is from before the key that seals the audit log, accept it with --unsigned";

pub(super) async fn signature(backup: &Backup, trusted: &[PublicKey], unsigned: bool) -> Result<BackupCheck> {
    match backup.signed_by().await {
        Ok(Some(key)) if trusted.contains(&key) => Ok(BackupCheck::ok("manifest", format!("signed by {key}"))),
        Ok(Some(key)) => {
            let advice = "name it by RYLIE_AUDIT_PUBLIC_KEY if it is yours";
            Ok(BackupCheck::failed("manifest", format!("it is signed by the unknown key {key}; {advice}")))
        }
        Ok(None) if unsigned => Ok(BackupCheck::not_checked("manifest", "it is not signed")),
        Ok(None) => Ok(BackupCheck::unsigned("manifest", UNSIGNED)),
        Err(MaintenanceError::BackupDamaged { reason, .. }) => Ok(BackupCheck::failed("manifest", reason)),
        Err(error) => Err(error.into()),
    }
}

/// Migrations and drift of the copy.
pub(crate) async fn schema(url: &str, own: &Schema) -> Result<[BackupCheck; 2]> {
    let mut migrations = Migrations::connect_to_read(url).await?.with_own(own.migrations());
    let states = migrations.status().await?;
    let wrong = states.iter().find(|migration| {
        !matches!(migration.state, MigrationState::Applied | MigrationState::Pending | MigrationState::Unknown)
    });
    if let Some(wrong) = wrong {
        let failed = BackupCheck::failed("migrations", format!("{} is not as this version has it", wrong.name));
        return Ok([failed, BackupCheck::not_checked("drift", "the migrations differ")]);
    }
    let count = |state| states.iter().filter(|migration| migration.state == state).count();
    let (applied, pending) = (count(MigrationState::Applied), count(MigrationState::Pending));
    let unknown = count(MigrationState::Unknown);
    let fine =
        BackupCheck::ok("migrations", format!("{applied} applied, {pending} pending, {unknown} of a newer version"));
    if pending + unknown > 0 {
        return Ok([fine, BackupCheck::not_checked("drift", "the copy is that of another version of the schema")]);
    }
    let drift = migrations.drift().await?;
    Ok([
        fine,
        match drift.differences.first() {
            Some(first) => BackupCheck::failed("drift", format!("{first} ({} differences)", drift.differences.len())),
            None => BackupCheck::ok("drift", "the schema is as the migrations make it"),
        },
    ])
}

/// The copy's audit log against its newest checkpoint, and against those that were kept outside.
pub(super) async fn audit(database: &Database, checkpoint: Option<&str>, outside: Outside) -> Result<BackupCheck> {
    let newest = checkpoint.map(SignedCheckpoint::parse).transpose();
    let Ok(newest) = newest else {
        return Ok(BackupCheck::failed("audit", "the checkpoint of the manifest is damaged"));
    };
    let kept = outside.until(newest.as_ref().map_or(0, |newest| newest.checkpoint().batch));
    let compared = kept.count();
    let outside = newest.iter().fold(kept, Outside::and);
    let reader = database.audit_reader().await?;
    let verification = verify_audit(&reader, Verifier::new(&[], outside), &mut |_, _| {}).await?;
    if let Some(finding) = verification.first_bad {
        return Ok(BackupCheck::failed("audit", finding.to_string()));
    }
    let records = verification.seen.records;
    let detail = format!("{records} sealed records, compared with {compared} checkpoints kept outside");
    Ok(BackupCheck::ok("audit", detail))
}

pub(super) async fn secrets(database: &Database) -> Result<BackupCheck> {
    let report = key_report(&*database.store(), &Progress::none()).await?;
    let values: u64 = report.columns.values().flat_map(|column| column.values()).sum();
    Ok(match report.unreadable.first() {
        Some(first) => {
            let number = report.unreadable.len();
            BackupCheck::failed(
                "secrets",
                format!("{number} values do not open, the first in {}: {}", first.column, first.reason),
            )
        }
        None => BackupCheck::ok("secrets", format!("{values} values open")),
    })
}
