//! A drill: restores a backup into a scratch database and checks it as the platform would use it.

use rylie_audit::{Outside, SignedCheckpoint, SigningKey, Verifier};
use rylie_crypto::{KeyFile, KeyState};
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    Backup, BackupCheck, BackupFolder, Error as MaintenanceError, RecoveryCertificate, Scratch, key_report,
    verify_audit,
};
use rylie_migration::{MigrationState, Migrations};
use rylie_repositories::Progress;

use crate::config::{Config, ReplicaSettings};
use crate::database::Database;
use crate::error::Result;
use crate::schema::Schema;

/// The checks that need a restored copy, in their order.
const OF_THE_COPY: [&str; 9] =
    ["restore", "copy", "rows", "tenants", "contents", "foreign_keys", "migrations", "drift", "audit"];

/// How a drill is made.
pub struct Drill<'a> {
    /// The folder of the backups.
    pub folder: &'a BackupFolder,
    /// The server for the scratch database, if not that of the configured database; PostgreSQL only.
    pub scratch: Option<&'a str>,
    /// Checkpoints of the audit log that were kept outside. Newer ones than the backup are passed over.
    pub outside: Outside,
    /// The key that signs the certificate.
    pub key: &'a SigningKey,
    /// How many tables are restored at once.
    pub jobs: u32,
    /// Receives the bytes that are restored.
    pub progress: &'a Progress,
}

/// The outcome of a drill.
#[derive(Clone, Debug)]
pub struct Drilled {
    /// Each check.
    pub checks: Vec<BackupCheck>,
    /// The certificate and its file; `None` if a check failed.
    pub certificate: Option<(RecoveryCertificate, std::path::PathBuf)>,
}

impl Drilled {
    /// The first check that failed.
    #[must_use]
    pub fn failure(&self) -> Option<&BackupCheck> {
        self.checks.iter().find(|check| check.is_failed())
    }
}

impl Config {
    /// Restores a backup into a scratch database, checks the copy, removes it, and signs a certificate if every check
    /// passed. A certificate of before is withdrawn if one failed.
    ///
    /// Changes nothing in the database itself. [`ScratchLacks`](rylie_maintenance::Error::ScratchLacks) if the drill could
    /// not be made: the certificate of before then stays.
    pub async fn verify_backup(&self, backup: &Backup, drill: Drill<'_>) -> Result<Drilled> {
        let begun = SystemEnv.now();
        let mut checks = vec![self.origin(backup).await, signature(backup)?, self.keys(backup)?];
        checks.push(backup.check_files().await?);
        let mut restored = None;
        if checks.iter().any(BackupCheck::is_failed) {
            checks.extend(OF_THE_COPY.map(|id| BackupCheck::not_checked(id, "an earlier check failed")));
        } else {
            let url = drill.scratch.unwrap_or(&self.url);
            let scratch = Scratch::open(url, drill.folder, &backup.manifest).await?;
            let server = scratch.server().to_owned();
            let outcome = self.check_copy(backup, &drill, &scratch, &mut checks).await;
            let removed = scratch.remove().await;
            restored = outcome?.map(|seconds| (seconds, server));
            removed?;
        }
        let (Some((rto_seconds, restored_on)), false) = (restored, checks.iter().any(BackupCheck::is_failed)) else {
            backup.withdraw_certificate()?;
            return Ok(Drilled { checks, certificate: None });
        };
        let manifest = &backup.manifest;
        let certificate = RecoveryCertificate {
            backup: manifest.id.clone(),
            sha256: backup.sha256.clone(),
            fingerprint: manifest.fingerprint.clone(),
            made_at: manifest.made_at,
            verified_at: SystemEnv.now(),
            restored_on,
            rto_seconds,
            rpo_seconds: (begun - manifest.made_at).num_seconds(),
            checkpoint: manifest.checkpoint.clone(),
            checks: checks.clone(),
        };
        let path = backup.certify(&certificate, drill.key)?;
        Ok(Drilled { checks, certificate: Some((certificate, path)) })
    }

    /// The checks on the restored copy; how long the restore took, if it ended well.
    async fn check_copy(
        &self,
        backup: &Backup,
        drill: &Drill<'_>,
        scratch: &Scratch,
        checks: &mut Vec<BackupCheck>,
    ) -> Result<Option<f64>> {
        let took = match scratch.restore(backup, drill.jobs, drill.progress).await {
            Ok(took) => took,
            Err(MaintenanceError::Program { reason, .. }) => {
                let id = if reason.contains("violates foreign key constraint") { "foreign_keys" } else { "restore" };
                checks.push(BackupCheck::failed(id, reason));
                let others = OF_THE_COPY.iter().filter(|other| **other != id);
                checks.extend(others.map(|other| BackupCheck::not_checked(other, "the restore failed")));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        checks.push(BackupCheck::ok("restore", format!("restored in {:.2} s", took.as_secs_f64())));
        checks.extend(scratch.compare(&backup.manifest).await?);
        checks.extend(schema(scratch.url(), self.schema()).await?);
        let structure = scratch.check_structure().await?;
        checks.extend(structure);
        let config = self.of_scratch(scratch.url());
        let database = Database::connect(config).await?;
        let audit = audit(&database, backup, drill.outside.clone()).await;
        let secrets = if backup.manifest.keys.is_empty() && self.keyring.is_none() {
            Ok(BackupCheck::ok("secrets", "no value is sealed"))
        } else {
            secrets(&database).await
        };
        database.close().await;
        checks.extend([audit?, secrets?]);
        Ok(Some(took.as_secs_f64()))
    }

    /// The same keys for another database, and nothing that leads back to this one.
    pub(super) fn of_scratch(&self, url: &str) -> Self {
        let mut config = self.clone();
        url.clone_into(&mut config.url);
        config.platform_url = None;
        config.fingerprint = None;
        config.pool.behind_pooler = false;
        config.replicas = ReplicaSettings { urls: Vec::new(), max_lag: config.replicas.max_lag };
        config
    }

    async fn origin(&self, backup: &Backup) -> BackupCheck {
        match self.expected_fingerprint().await {
            None => BackupCheck::not_checked("database", "the database cannot be read; set `fingerprint` to compare"),
            Some(expected) if expected == backup.manifest.fingerprint => {
                BackupCheck::ok("database", format!("fingerprint {expected}"))
            }
            Some(expected) => BackupCheck::failed(
                "database",
                format!(
                    "the backup is that of another database: fingerprint {}, expected {expected}",
                    backup.manifest.fingerprint
                ),
            ),
        }
    }

    /// Whether the keyring has each key that sealed a value of the backup.
    fn keys(&self, backup: &Backup) -> Result<BackupCheck> {
        let needed = &backup.manifest.keys;
        let keyring = self.keyring().map(|path| KeyFile::new(path).load()).transpose();
        let keyring = keyring.map_err(crate::error::Error::Keys)?;
        let has = |key: &String| {
            keyring.as_ref().is_some_and(|keyring| {
                keyring.keys().any(|(id, state)| id.as_str() == key && state != KeyState::Destroyed)
            })
        };
        Ok(match needed.iter().find(|key| !has(key)) {
            Some(key) if keyring.is_none() => {
                BackupCheck::failed("keys", format!("no keyring is configured, and values are sealed by key {key}"))
            }
            Some(key) => BackupCheck::failed("keys", format!("the keyring lacks key {key}, which sealed values of it")),
            None => BackupCheck::ok("keys", format!("{} keys", needed.len())),
        })
    }
}

fn signature(backup: &Backup) -> Result<BackupCheck> {
    match backup.signed_by() {
        Ok(Some(key)) => Ok(BackupCheck::ok("manifest", format!("signed by {key}"))),
        Ok(None) => Ok(BackupCheck::not_checked("manifest", "it is not signed")),
        Err(MaintenanceError::BackupDamaged { reason, .. }) => Ok(BackupCheck::failed("manifest", reason)),
        Err(error) => Err(error.into()),
    }
}

/// Migrations and drift of the copy.
async fn schema(url: &str, own: &Schema) -> Result<[BackupCheck; 2]> {
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
async fn audit(database: &Database, backup: &Backup, outside: Outside) -> Result<BackupCheck> {
    let newest = backup.manifest.checkpoint.as_deref().map(SignedCheckpoint::parse).transpose();
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

async fn secrets(database: &Database) -> Result<BackupCheck> {
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
