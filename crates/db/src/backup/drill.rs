//! A drill: restores a backup into a scratch database and checks it as the platform would use it.

mod checks;

use std::path::Path;

use rylie_audit::{Outside, PublicKey, SigningKey};
use rylie_crypto::{KeyFile, KeyState};
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    Backup, BackupCheck, Error as MaintenanceError, Manifest, OpenBackup, RecoveryCertificate, Scratch,
};
use rylie_repositories::Progress;

use crate::config::{Config, ReplicaSettings};
use crate::database::Database;
use crate::error::{Error, Result};

pub(super) use checks::UNSIGNED;
pub(crate) use checks::schema;
use checks::{audit, secrets, signature};

/// The checks that need a restored copy, in their order.
const OF_THE_COPY: [&str; 9] =
    ["restore", "copy", "rows", "tenants", "contents", "foreign_keys", "migrations", "drift", "audit"];

/// How a drill is made.
pub struct Drill<'a> {
    /// The server for the scratch database; `None` takes the setting `backup_scratch_url`. Without that it is a private
    /// server, or that of the configured database. PostgreSQL only.
    pub scratch: Option<&'a str>,
    /// The file of the age identity that opens the backup; `None` takes the setting.
    pub identity: Option<&'a Path>,
    /// The keys whose signature of a manifest is believed, in addition to `key`.
    pub trusted: &'a [PublicKey],
    /// Checkpoints of the audit log that were kept outside. Newer ones than the backup are passed over.
    pub outside: Outside,
    /// The key that signs the certificate.
    pub key: &'a SigningKey,
    /// Whether a manifest without a signature is accepted, such as that of a backup from before the key.
    pub unsigned: bool,
    /// How many tables are restored at once.
    pub jobs: u32,
    /// Whether tenant isolation is attacked in the copy.
    pub attacks: bool,
    /// Receives the bytes that are restored.
    pub progress: &'a Progress,
}

/// The outcome of a drill.
#[derive(Clone, Debug)]
pub struct Drilled {
    /// Each check.
    pub checks: Vec<BackupCheck>,
    /// The certificate and its address; `None` if a check failed.
    pub certificate: Option<(RecoveryCertificate, String)>,
}

impl Drilled {
    /// The first check that failed, and a missing signature only if nothing else did.
    #[must_use]
    pub fn failure(&self) -> Option<&BackupCheck> {
        let mut failed = self.checks.iter().filter(|check| check.is_failed());
        let first = failed.next()?;
        if first.is_unsigned() { Some(failed.next().unwrap_or(first)) } else { Some(first) }
    }
}

impl Config {
    /// Restores a backup into a scratch database, checks the copy, removes it, and signs a certificate if every check
    /// passed. A certificate of before is withdrawn if one failed.
    ///
    /// Changes nothing in the database itself. [`ScratchLacks`](rylie_maintenance::Error::ScratchLacks) if the drill
    /// could not be made: the certificate of before then stays. A defect of the backup is a failed check, and no error.
    pub async fn verify_backup(&self, backup: &Backup, drill: Drill<'_>) -> Result<Drilled> {
        let begun = SystemEnv.now();
        let trusted = [drill.trusted, &[drill.key.public()]].concat();
        let mut checks =
            vec![self.origin(backup).await, signature(backup, &trusted, drill.unsigned).await?, self.keys(backup)?];
        checks.push(backup.check_files().await?);
        // The checks of the copy name the defects of a backup that a stranger made.
        let ends = |check: &BackupCheck| check.is_failed() && !check.is_unsigned();
        let open = if checks.iter().any(ends) {
            None
        } else {
            self.open_for_drill(backup, drill.identity, &mut checks).await?
        };
        let mut restored = None;
        if let Some(open) = open {
            let scratch = self.open_scratch(drill.scratch, &backup.manifest).await?;
            let server = scratch.server().to_owned();
            let outcome = self.check_copy(&open, &drill, &scratch, &mut checks).await;
            let removed = scratch.remove().await;
            restored = outcome?.map(|seconds| (seconds, server));
            removed?;
        } else {
            checks.extend(OF_THE_COPY.map(|id| BackupCheck::not_checked(id, "an earlier check failed")));
        }
        let (Some((rto_seconds, restored_on)), false) = (restored, checks.iter().any(BackupCheck::is_failed)) else {
            backup.withdraw_certificate().await?;
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
            rpo_seconds: Some((begun - manifest.made_at).num_seconds()),
            checkpoint: manifest.checkpoint.clone(),
            checks: checks.clone(),
        };
        let address = backup.certify(&certificate, drill.key).await?;
        Ok(Drilled { checks, certificate: Some((certificate, address)) })
    }

    /// Opens the backup. A key that does not open it is a failed check.
    async fn open_for_drill(
        &self,
        backup: &Backup,
        identity: Option<&Path>,
        checks: &mut Vec<BackupCheck>,
    ) -> Result<Option<OpenBackup>> {
        let failed = match self.open_backup(backup, identity).await {
            Ok(open) => return Ok(Some(open)),
            Err(Error::Maintenance(
                MaintenanceError::BackupLocked { reason, .. } | MaintenanceError::BackupDamaged { reason, .. },
            )) => BackupCheck::failed("encryption", reason),
            Err(error) => return Err(error),
        };
        checks.push(failed);
        Ok(None)
    }

    /// A scratch database on the named server, else on that of the setting, else where it is best.
    pub(super) async fn open_scratch(&self, scratch: Option<&str>, manifest: &Manifest) -> Result<Scratch> {
        let scratch = scratch.map(|url| self.named(url));
        Ok(Scratch::open(scratch.as_deref().or(self.backup_scratch_url()), &self.url, manifest).await?)
    }

    /// The checks on the restored copy; how long the restore took, if it ended well.
    async fn check_copy(
        &self,
        backup: &OpenBackup,
        drill: &Drill<'_>,
        scratch: &Scratch,
        checks: &mut Vec<BackupCheck>,
    ) -> Result<Option<f64>> {
        let took = match scratch.restore(backup, drill.jobs, drill.progress).await {
            Ok(took) => took,
            Err(MaintenanceError::Program { reason, .. } | MaintenanceError::BackupDamaged { reason, .. }) => {
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
        checks.extend(scratch.check_structure().await?);
        if drill.attacks {
            checks.push(scratch.attack().await?);
        }
        checks.extend(self.check_contents(scratch.url(), &backup.manifest, drill.outside.clone()).await?);
        Ok(Some(took.as_secs_f64()))
    }

    /// The checks of the audit log and of the sealed values in a restored copy.
    pub(crate) async fn check_contents(
        &self,
        url: &str,
        manifest: &Manifest,
        outside: Outside,
    ) -> Result<[BackupCheck; 2]> {
        let database = Database::connect(self.of_scratch(url)).await?;
        let audit = audit(&database, manifest.checkpoint.as_deref(), outside).await;
        let secrets = if manifest.keys.is_empty() && self.keyring.is_none() {
            Ok(BackupCheck::ok("secrets", "no value is sealed"))
        } else {
            secrets(&database).await
        };
        database.close().await;
        Ok([audit?, secrets?])
    }

    /// The same keys for another database, and nothing that leads back to this one.
    pub(crate) fn of_scratch(&self, url: &str) -> Self {
        let mut config = self.clone();
        config.url = self.named(url);
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
        let keyring = keyring.map_err(Error::Keys)?;
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
