//! The jobs of the scheduler that make backups and prove them.

use std::sync::Arc;

use rylie_audit::{Action, Event, Outside, SigningKey};
use rylie_entities::Env;
use rylie_maintenance::{
    BackupFolder, Error, JobContext, ListedBackup, Notifier, PruneRule, Result, check_backup_age, deliver_alerts,
    kept_checkpoints,
};
use rylie_repositories::Progress;
use serde_json::{Value, json};

use super::Drill;
use crate::config::Config;

/// How many tables are copied at once.
const JOBS: u32 = 2;

/// `backup`: makes a backup, every night at two.
pub(crate) struct MakeBackup {
    pub(crate) config: Arc<Config>,
    pub(crate) folder: BackupFolder,
}

/// `backup-verify`: proves the newest backup if it is not proven yet, removes old ones, and watches the age of the newest
/// proven one. Every four hours.
pub(crate) struct VerifyBackup {
    pub(crate) config: Arc<Config>,
    pub(crate) folder: BackupFolder,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) notifiers: Vec<Notifier>,
}

impl MakeBackup {
    pub(crate) async fn run(&self) -> Result<Value> {
        let key = self.config.signing_key_if_any()?;
        let backup = self
            .config
            .create_backup(&self.folder, JOBS, None, key.as_ref(), &Progress::none())
            .await
            .map_err(failed)?;
        let id = &backup.manifest.id;
        let event = Event::new(Action::BackupCreated).on_row("Backup", id).with("sha256", &backup.sha256);
        self.config.record_backup(event).await.map_err(failed)?;
        if let Some(key) = &key {
            self.config.note_erasures(&self.folder, key).await.map_err(failed)?;
        }
        Ok(json!({ "id": id, "bytes": backup.manifest.bytes() }))
    }
}

impl VerifyBackup {
    pub(crate) async fn run(&self, context: &JobContext) -> Result<Value> {
        let proven = self.prove().await;
        // Reported whether the drill succeeded or not.
        let trusted = self.config.known_audit_keys().map_err(failed)?;
        let newest =
            self.folder.list(&trusted).await?.iter().find_map(|listed| Some(listed.verified()?.manifest.made_at));
        let age = newest.map(|made_at| self.env.now() - made_at);
        check_backup_age(context.store(), age, self.config.maintenance.backup_alert_after, &self.notifiers).await?;
        let undelivered = deliver_alerts(context.store(), &*self.env, &self.notifiers).await?.len();
        let (id, removed) = proven?;
        Ok(json!({ "verified": id, "removed": removed, "undelivered": undelivered }))
    }
}

impl VerifyBackup {
    /// The id of the backup that was proven, and of those that were removed then.
    async fn prove(&self) -> Result<(Option<String>, Vec<String>)> {
        let trusted = self.config.known_audit_keys().map_err(failed)?;
        let newest = self.folder.list(&trusted).await?.into_iter().next();
        let Some(backup) = newest.filter(|newest| newest.verified().is_none()) else { return Ok((None, Vec::new())) };
        let ListedBackup { id, backup, .. } = backup;
        let backup = backup.map_err(|reason| Error::BackupDamaged { id: id.clone(), reason })?;
        let key = self.config.signing_key_if_any()?.ok_or_else(|| Error::Invalid {
            what: "audit_key".to_owned(),
            reason: "a certificate needs the key that seals the audit log".to_owned(),
        })?;
        let outside = self.config.audit_checkpoints().map(kept_checkpoints).transpose()?.flatten();
        let drill = Drill {
            scratch: None,
            identity: None,
            trusted: &trusted,
            unsigned: false,
            outside: outside.unwrap_or_else(Outside::default),
            key: &key,
            jobs: JOBS,
            attacks: false,
            progress: &Progress::none(),
        };
        let drilled = self.config.verify_backup(&backup, drill).await.map_err(failed)?;
        let passed = drilled.certificate.is_some();
        let event = Event::new(Action::BackupVerified).on_row("Backup", &id).with("passed", passed);
        self.config.record_backup(event).await.map_err(failed)?;
        if let Some(check) = drilled.failure() {
            return Err(Error::BackupDamaged { id, reason: format!("{}: {}", check.id, check.detail) });
        }
        let Some(keep) = self.config.maintenance.backup_keep else { return Ok((Some(id), Vec::new())) };
        let removed = self
            .config
            .prune_backups(&self.folder, PruneRule { keep, max_age: None }, &trusted)
            .await
            .map_err(failed)?;
        if !removed.is_empty() {
            let event = Event::new(Action::BackupsPruned).with("backups", &removed);
            self.config.record_backup(event).await.map_err(failed)?;
        }
        Ok((Some(id), removed))
    }
}

impl Config {
    /// The key that seals the audit log, if the settings name its file and it can be read.
    fn signing_key_if_any(&self) -> Result<Option<SigningKey>> {
        let path = self.audit_key().filter(|path| std::fs::File::open(path).is_ok());
        let unreadable =
            |error: rylie_audit::Error| Error::Data { doing: "reading the signing key", source: error.into() };
        path.map(SigningKey::load).transpose().map_err(unreadable)
    }
}

/// A job fails with an error of its own crate.
pub(crate) fn failed(error: crate::error::Error) -> Error {
    match error {
        crate::error::Error::Maintenance(error) => error,
        other => Error::Backup { source: Box::new(other) },
    }
}
