//! Backups of the configured database. They need no pool, and work while migrations are pending.

mod drill;
mod jobs;

use std::sync::Arc;

use rylie_audit::{Action, Event, SigningKey};
use rylie_crypto::KeyId;
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    Backup, BackupFolder, CreateOptions, Engine, Erasure, ListedBackup, PruneRule, RepeatedErasures, create_backup,
    note_erasures, prune_backups, repeat_erasures, restore_into,
};
use rylie_migration::{Environment, Migrations};
use rylie_repositories::{ConnectionError, Grant, Pool, Progress, Store, StoreExt};

use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};

pub use drill::{Drill, Drilled};
pub(crate) use jobs::{MakeBackup, VerifyBackup};

/// A backup of this age at most is recent, in seconds: a day.
const RECENT: i64 = 86_400;

impl Config {
    /// Where backups are kept, if a folder is set.
    #[must_use]
    pub fn backups(&self) -> Option<&str> {
        self.backups.as_deref()
    }

    /// The PostgreSQL server on which drills restore, if it is not that of the database.
    #[must_use]
    pub fn backup_scratch_url(&self) -> Option<&str> {
        self.backup_scratch_url.as_deref()
    }

    /// Makes a backup as the login of the setting `backup_url`, else that of `database_url`; see
    /// [`create_backup`](rylie_maintenance::create_backup).
    pub async fn create_backup(
        &self,
        folder: &BackupFolder,
        jobs: u32,
        key: Option<&SigningKey>,
        progress: &Progress,
    ) -> Result<Backup> {
        let url = self.backup_url.as_deref().map_or_else(|| self.direct_url(), Ok)?;
        self.guard_fingerprint().await?;
        let options = CreateOptions { jobs };
        Ok(create_backup(&Engine::new(url)?, folder, SystemEnv.now(), options, key, progress).await?)
    }

    /// Removes old backups; see [`prune_backups`](rylie_maintenance::prune_backups).
    pub async fn prune_backups(&self, folder: &BackupFolder, rule: PruneRule) -> Result<Vec<String>> {
        Ok(prune_backups(folder, rule, SystemEnv.now()).await?)
    }

    /// Restores a backup into the empty database at `url`, after a check of its files. Then it repeats the erasures on the
    /// folder's list that were made after the backup. Refused for a database that holds a table, and for a SQLite file that
    /// exists. The restore is in the audit log of the restored database.
    ///
    /// A database that is marked as production is marked as staging while erasures are repeated, and as production again
    /// after that; both are audited. After an error it stays staging: do not open it.
    pub async fn restore_backup(
        &self,
        folder: &BackupFolder,
        backup: &Backup,
        url: &str,
        jobs: u32,
        progress: &Progress,
    ) -> Result<RepeatedErasures> {
        let url = &self.named(url);
        let manifest = &backup.manifest;
        let check = backup.check_files().await?;
        backup.signed_by()?;
        if check.is_failed() {
            let (id, reason) = (manifest.id.clone(), check.detail);
            return Err(rylie_maintenance::Error::BackupDamaged { id, reason }.into());
        }
        let erasures = folder.erasures()?.map(|(list, _)| list).unwrap_or_default();
        let erasures: Vec<_> =
            erasures.into_iter().filter(|erasure| erasure.database == manifest.fingerprint).collect();
        if !manifest.is_sqlite() {
            let mut target = Migrations::connect_to_read(url).await?;
            if let Some(table) = target.first_table().await? {
                let reason = format!("the target holds table {table}; a backup is restored into an empty database");
                return Err(rylie_maintenance::Error::BackupRefused { reason }.into());
            }
        }
        restore_into(backup, url, jobs, progress).await?;
        let repeated = self.repeat_erasures(backup, url, &erasures).await?;
        let target = self.of_scratch(url);
        let event = Event::new(Action::BackupRestored).on_row("Backup", &manifest.id).with("erased_again", &repeated);
        target.record_backup(event).await?;
        Ok(repeated)
    }

    async fn repeat_erasures(&self, backup: &Backup, url: &str, erasures: &[Erasure]) -> Result<RepeatedErasures> {
        if erasures.is_empty() {
            return Ok(RepeatedErasures::default());
        }
        let mut config = self.of_scratch(url);
        config.keyring = None;
        let mut migrations = Migrations::connect(url).await?;
        let environment = migrations.mark().await?.map(|mark| mark.environment);
        if environment == Some(Environment::Production) {
            let reason = format!("erasures after the backup {} are repeated", backup.manifest.id);
            migrations.mark_environment(Environment::Staging, Some(&reason)).await?;
        }
        let database = Database::connect(config).await?;
        let repeated = repeat_erasures(&*database.store(), erasures, backup.manifest.made_at).await;
        database.close().await;
        let repeated = repeated?;
        if environment == Some(Environment::Production) {
            migrations.mark_environment(Environment::Production, None).await?;
        }
        Ok(repeated)
    }

    /// Brings the list of erasures in the folder up to date with the audit log of the database; see
    /// [`note_erasures`](rylie_maintenance::note_erasures).
    pub async fn note_erasures(&self, folder: &BackupFolder, key: &SigningKey) -> Result<usize> {
        let mut config = self.clone();
        config.keyring = None;
        let database = Database::connect(config).await?;
        let noted = match database.stored_fingerprint().await? {
            Some(fingerprint) => note_erasures(&*database.store(), folder, key, &fingerprint).await,
            None => Ok(0),
        };
        database.close().await;
        Ok(noted?)
    }

    /// Records what was done to a backup in the audit log of the database. A login that may only read cannot, and a lost
    /// database cannot either: the error is for a warning.
    pub async fn record_backup(&self, event: Event) -> Result<()> {
        if self.is_file_missing() {
            return Err(Error::Repository(rylie_repositories::Error::NotFound { entity: "database" }));
        }
        // Records need no keys, which may be elsewhere.
        let mut config = self.clone();
        config.keyring = None;
        let database = Database::connect(config).await?;
        let store: Arc<dyn Store> = database.store();
        let unit = store.platform(Grant::job("backup", "to record what was done to a backup")?).await?;
        unit.audit().record(event).await?;
        unit.commit().await?;
        drop(store);
        database.close().await;
        Ok(())
    }

    /// [`Error::NoRecentBackup`] unless the configured folder holds a proven backup of this database that is at most a day
    /// old. Its certificate must be valid, and each file must have its size. Changes nothing.
    pub async fn refuse_stale_backup(&self) -> Result<()> {
        let refused = |reason: String| Err(Error::NoRecentBackup { reason });
        let Some(place) = self.backups() else {
            return refused("no folder of backups is set (`RYLIE_BACKUPS`), so no backup is known".to_owned());
        };
        let fingerprint = self.expected_fingerprint().await;
        let listed = BackupFolder::new(place)?.list()?;
        let mut proven = listed.iter().filter_map(ListedBackup::verified).map(|backup| &backup.manifest);
        let newest = proven.find(|manifest| Some(&manifest.fingerprint) == fingerprint.as_ref());
        match newest {
            Some(newest) if (SystemEnv.now() - newest.made_at).num_seconds() <= RECENT => Ok(()),
            Some(newest) => {
                refused(format!("the newest verified backup of this database, {}, is older than a day", newest.id))
            }
            None => refused(format!("the folder {place} holds no verified backup of this database")),
        }
    }

    /// The fingerprint that a backup of this database has: that of the setting, else that of the database; `None` where
    /// neither can be read.
    async fn expected_fingerprint(&self) -> Option<String> {
        if let Some(fingerprint) = &self.fingerprint {
            return Some(fingerprint.clone());
        }
        let mark: std::result::Result<_, ConnectionError> = Pool::mark_at(&self.url, &self.pool).await;
        mark.ok().flatten().map(|mark| mark.fingerprint)
    }

    /// [`Error::KeyInBackup`] if a backup in the configured folder holds values under the key.
    pub(crate) fn refuse_key_in_backup(&self, key: &KeyId) -> Result<()> {
        let Some(place) = self.backups() else { return Ok(()) };
        for listed in BackupFolder::new(place)?.list()? {
            let keys = listed.backup.as_ref().map(|backup| backup.manifest.keys.as_slice()).unwrap_or_default();
            if keys.iter().any(|needed| needed == key.as_str()) {
                return Err(Error::KeyInBackup { key: key.clone(), backup: listed.id });
            }
        }
        Ok(())
    }
}
