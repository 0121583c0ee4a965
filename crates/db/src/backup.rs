//! Backups of the configured database. They need no pool, and work while migrations are pending.

pub(crate) mod drill;
mod jobs;
mod keys;
mod restore;
mod restore_tenant;
mod retention;

use std::sync::Arc;

use rylie_audit::{Event, PublicKey, SigningKey};
use rylie_crypto::KeyId;
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    Backup, BackupFolder, CreateOptions, Engine, ListedBackup, PruneRule, create_backup, note_erasures, prune_backups,
};
use rylie_repositories::{ConnectionError, Grant, Pool, Progress, Store, StoreExt};

use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};

pub use drill::{Drill, Drilled};
pub(crate) use jobs::{MakeBackup, VerifyBackup, failed};
pub use restore::{Restore, Restored};
pub use restore_tenant::{RestoreTenant, RestoredTenant};
pub(crate) use restore_tenant::{TenantCopy, refuse_target};
pub use retention::Retained;

/// A backup of this age at most is recent, in seconds: a day.
const RECENT: i64 = 86_400;

impl Config {
    /// Where backups are kept, if a place is set: a folder, or `s3://bucket/prefix`.
    #[must_use]
    pub fn backups(&self) -> Option<&str> {
        self.backups.as_deref()
    }

    /// The PostgreSQL server on which drills restore, if one is set.
    #[must_use]
    pub fn backup_scratch_url(&self) -> Option<&str> {
        self.backup_scratch_url.as_deref()
    }

    /// Makes a backup as the login of the setting `backup_url`, else that of `database_url`; see
    /// [`create_backup`](rylie_maintenance::create_backup). `encrypt` is `keyring`, or an age recipient; `None` takes the
    /// setting `backup_encrypt`, and without that the copy is plain.
    ///
    /// Fails with [`Error::Maintenance`]: [`BackupRefused`](rylie_maintenance::Error::BackupRefused) if `backup_url`
    /// leads to another database, and as that function does. Fails with [`Error::Repository`]
    /// ([`NoKeyring`](rylie_repositories::Error::NoKeyring)) for `keyring` without a keyring, and with [`Error::Keys`]
    /// if its file cannot be read.
    pub async fn create_backup(
        &self,
        folder: &BackupFolder,
        jobs: u32,
        encrypt: Option<&str>,
        key: Option<&SigningKey>,
        progress: &Progress,
    ) -> Result<Backup> {
        let url = self.backup_url.as_deref().map_or_else(|| self.direct_url(), Ok)?;
        self.guard_fingerprint().await?;
        self.refuse_other_backup_url(url).await?;
        let encryption = self.backup_encryption(encrypt)?;
        let options = CreateOptions { jobs, encrypt: encryption.as_ref().map(keys::Encryption::to) };
        Ok(create_backup(&Engine::new(url)?, folder, SystemEnv.now(), options, key, progress).await?)
    }

    /// The login of backups must lead to the configured database.
    async fn refuse_other_backup_url(&self, url: &str) -> Result<()> {
        if self.backup_url.is_none() {
            return Ok(());
        }
        let there = Pool::mark_at(url, &self.pool).await?.map(|mark| mark.fingerprint);
        match self.expected_fingerprint().await {
            Some(expected) if there.as_ref() != Some(&expected) => Err(restore::refused(
                "backup_url leads to another database than database_url: their fingerprints differ".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Removes old backups; see [`prune_backups`](rylie_maintenance::prune_backups).
    pub async fn prune_backups(
        &self,
        folder: &BackupFolder,
        rule: PruneRule,
        trusted: &[PublicKey],
    ) -> Result<Vec<String>> {
        Ok(prune_backups(folder, rule, trusted, SystemEnv.now()).await?)
    }

    /// Brings the list of erasures in the folder up to date with the audit log of the database; see
    /// [`note_erasures`](rylie_maintenance::note_erasures). Fails as [`Database::connect`] does, and as that function
    /// does.
    pub async fn note_erasures(&self, folder: &BackupFolder, key: &SigningKey) -> Result<usize> {
        let trusted = self.known_audit_keys()?;
        let mut config = self.clone();
        config.keyring = None;
        let database = Database::connect(config).await?;
        let noted = match database.stored_fingerprint().await? {
            Some(fingerprint) => note_erasures(&*database.store(), folder, key, &trusted, &fingerprint).await,
            None => Ok(0),
        };
        database.close().await;
        Ok(noted?)
    }

    /// Records what was done to a backup in the audit log of the database. A login that may only read cannot, and a
    /// lost database cannot either: the error is for a warning. It is that of [`Database::connect`], or
    /// [`Error::Repository`].
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
    /// old. One of the `trusted` keys must have signed its certificate, and each file must have its size. Changes nothing.
    pub async fn refuse_stale_backup(&self, trusted: &[PublicKey]) -> Result<()> {
        let refused = |reason: String| Err(Error::NoRecentBackup { reason });
        let Some(place) = self.backups() else {
            return refused("no folder of backups is set (`RYLIE_BACKUPS`), so no backup is known".to_owned());
        };
        let fingerprint = self.expected_fingerprint().await;
        let listed = BackupFolder::new(place)?.list(trusted).await?;
        let mut proven = listed.iter().filter_map(ListedBackup::verified).map(|backup| &backup.manifest);
        let newest = proven.find(|manifest| Some(&manifest.fingerprint) == fingerprint.as_ref());
        match newest {
            Some(newest) if (SystemEnv.now() - newest.made_at).num_seconds() <= RECENT => Ok(()),
            Some(newest) => {
                refused(format!("the newest verified backup of this database, {}, is older than a day", newest.id))
            }
            None => {
                let unknown = listed.iter().find_map(|backup| Some((&backup.id, backup.unknown_signer.as_ref()?)));
                let unknown = unknown.map(|(id, signer)| {
                    format!(
                        "; the unknown key {signer} signed the certificate of {id}: if it is yours, name it in \
                         `audit_public_key`"
                    )
                });
                let unknown = unknown.unwrap_or_default();
                refused(format!("the folder {place} holds no verified backup of this database{unknown}"))
            }
        }
    }

    /// The fingerprint that a backup of this database has: that of the setting, else that of the database; `None` where
    /// neither can be read.
    pub(crate) async fn expected_fingerprint(&self) -> Option<String> {
        if let Some(fingerprint) = &self.fingerprint {
            return Some(fingerprint.clone());
        }
        let mark: std::result::Result<_, ConnectionError> = Pool::mark_at(&self.url, &self.pool).await;
        mark.ok().flatten().map(|mark| mark.fingerprint)
    }

    /// [`Error::KeyInBackup`] if a backup at the configured place needs the key: for its values, or to be opened.
    pub(crate) async fn refuse_key_in_backup(&self, key: &KeyId) -> Result<()> {
        let Some(place) = self.backups() else { return Ok(()) };
        for backup in BackupFolder::new(place)?.readable().await? {
            if backup.manifest.needed_keys().any(|needed| needed == key.as_str()) {
                return Err(Error::KeyInBackup { key: key.clone(), backup: backup.manifest.id });
            }
        }
        Ok(())
    }
}
