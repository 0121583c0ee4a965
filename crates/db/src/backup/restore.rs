//! Restoring a backup, into an empty database or over an existing one.

use std::path::Path;

use rylie_audit::{Action, Event, PublicKey};
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    Backup, BackupFolder, ClosedDatabase, Erasure, Error as MaintenanceError, Manifest, OpenBackup, RepeatedErasures,
    Replacement, repeat_erasures, restore_into,
};
use rylie_migration::{Environment, Migrations, guard_destructive};
use rylie_repositories::{Grant, Pool, Progress, StoreExt};

use super::drill::UNSIGNED;
use super::retention::Retained;
use crate::config::Config;
use crate::database::Database;
use crate::error::Result;

/// How a backup is restored.
pub struct Restore<'a> {
    /// The place of the backups.
    pub folder: &'a BackupFolder,
    /// The target: a URL.
    pub to: &'a str,
    /// How many tables are restored at once; for a plain copy of PostgreSQL in a folder only.
    pub jobs: u32,
    /// The file of the age identity that opens the backup; `None` takes the setting.
    pub identity: Option<&'a Path>,
    /// The keys whose signatures are believed. Empty: every key.
    pub trusted: &'a [PublicKey],
    /// Whether a manifest without a signature is accepted although keys are known.
    pub unsigned: bool,
    /// Whether a missing list of erasures is accepted.
    pub without_erasures: bool,
    /// Whether a database that is there may be replaced.
    pub replace: bool,
    /// Whether sessions of the replaced database are ended; PostgreSQL only.
    pub end_sessions: bool,
    /// Receives the bytes that are restored.
    pub progress: &'a Progress,
}

/// The outcome of a restore.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// What was erased again.
    pub erased: RepeatedErasures,
    /// What retention removed; `None` for a copy of an older schema, on which the jobs do not work.
    pub retained: Option<Retained>,
    /// The name under which the replaced database is kept.
    pub kept_as: Option<String>,
}

impl Config {
    /// Restores a backup, after a check of its files. Then erasures on the list that were made after the backup are
    /// repeated, and retention is applied. The restore is recorded in the audit log of the restored database.
    ///
    /// Without `replace` the target must be empty, or a SQLite file that does not exist. With it the backup is restored into
    /// a new database, which takes the name of the old one at the end. The old one is kept under another name. An
    /// error until then leaves the old one as it was. Refused for an old database that is marked as production, that has
    /// another fingerprint than the backup, or that sessions use.
    ///
    /// A copy that is marked as production is marked as staging while erasures are repeated, and as production again after
    /// that; both are audited. After an error it stays staging: do not open it.
    ///
    /// On PostgreSQL an empty target takes superusers only until everything is done, and so after an interruption.
    ///
    /// Fails with [`Error::Maintenance`](crate::Error::Maintenance):
    ///
    /// - [`BackupDamaged`](rylie_maintenance::Error::BackupDamaged) for a damaged file, an unknown signer or a missing
    ///   signature;
    /// - [`BackupLocked`](rylie_maintenance::Error::BackupLocked) without the key of the backup;
    /// - [`BackupRefused`](rylie_maintenance::Error::BackupRefused) if the target is not empty, is another database or
    ///   is in use, and if the list of erasures is missing;
    /// - [`ScratchLacks`](rylie_maintenance::Error::ScratchLacks) if the server of a replaced database lacks a role or
    ///   a right;
    /// - [`Invalid`](rylie_maintenance::Error::Invalid) if the target is of the other engine.
    ///
    /// Fails with [`Error::Migration`](crate::Error::Migration) for a replaced database that is marked as production
    /// ([`Destructive`](rylie_migration::Refusal::Destructive)).
    pub async fn restore_backup(&self, backup: &Backup, restore: Restore<'_>) -> Result<Restored> {
        let open = self.checked(backup, restore.identity, restore.trusted, restore.unsigned).await?;
        if open.manifest.is_sqlite() != restore.to.starts_with("sqlite:") {
            let (what, reason) = ("the target".to_owned(), format!("the backup is of {}", open.manifest.engine));
            return Err(MaintenanceError::Invalid { what, reason }.into());
        }
        let erasures = erasures_of(backup, restore.folder, restore.trusted, restore.without_erasures).await?;
        if is_empty(&open, restore.to).await? {
            let closed = if open.manifest.is_sqlite() { None } else { ClosedDatabase::close(restore.to).await? };
            restore_into(&open, restore.to, restore.jobs, restore.progress).await?;
            let restored = self.finish(&open, restore.to, &erasures, None).await?;
            if let Some(closed) = closed {
                closed.open().await?;
            }
            return Ok(restored);
        }
        if !restore.replace {
            let advice = "a backup is restored into an empty database; --replace restores over this one";
            return Err(refused(format!("the target is not empty: {advice}")));
        }
        self.guard_replaced(&open, restore.to).await?;
        let manifest = &open.manifest;
        let mut replacement = Replacement::begin(restore.to, manifest, SystemEnv.now(), restore.end_sessions).await?;
        match self.replace(&open, &restore, &erasures, &mut replacement).await {
            Ok(restored) => Ok(restored),
            Err(error) => {
                // A database that cannot be removed is left to the next restore.
                let _ = replacement.remove().await;
                Err(error)
            }
        }
    }

    async fn replace(
        &self,
        open: &OpenBackup,
        restore: &Restore<'_>,
        erasures: &[Erasure],
        replacement: &mut Replacement,
    ) -> Result<Restored> {
        let (url, kept_as) = (replacement.url().to_owned(), replacement.kept_as().to_owned());
        restore_into(open, &url, restore.jobs, restore.progress).await?;
        let restored = self.finish(open, &url, erasures, Some(&kept_as)).await?;
        // It may have been marked in the meantime.
        self.guard_replaced(open, restore.to).await?;
        replacement.swap().await?;
        Ok(Restored { kept_as: Some(kept_as), ..restored })
    }

    /// The backup with its key, if its files and its signature are good.
    pub(super) async fn checked(
        &self,
        backup: &Backup,
        identity: Option<&Path>,
        trusted: &[PublicKey],
        unsigned: bool,
    ) -> Result<OpenBackup> {
        let damaged = |reason: String| MaintenanceError::BackupDamaged { id: backup.manifest.id.clone(), reason };
        match backup.signed_by().await? {
            _ if trusted.is_empty() => {}
            Some(signer) if !trusted.contains(&signer) => {
                return Err(damaged(format!("it is signed by the unknown key {signer}")).into());
            }
            None if !unsigned => return Err(damaged(UNSIGNED.to_owned()).into()),
            _ => {}
        }
        let check = backup.check_files().await?;
        if check.is_failed() {
            return Err(damaged(check.detail).into());
        }
        self.open_backup(backup, identity).await
    }

    /// The two steps of the production mark, and that it is the same database.
    async fn guard_replaced(&self, open: &OpenBackup, url: &str) -> Result<()> {
        let mark = Pool::mark_at(url, &self.pool).await?;
        let fingerprint = mark.as_ref().map(|mark| mark.fingerprint.clone());
        let marked = mark.and_then(|mark| mark.environment.parse().ok());
        guard_destructive(marked, "restore a backup over this database")?;
        if fingerprint.as_ref() != Some(&open.manifest.fingerprint) {
            return Err(refused(
                "the target is another database than the backup: their fingerprints differ".to_owned(),
            ));
        }
        Ok(())
    }

    /// Repeats erasures in the database at `url`, a copy; see [`in_copy`](Self::in_copy).
    pub(crate) async fn repeat_erasures(&self, id: &str, url: &str, erasures: &[Erasure]) -> Result<RepeatedErasures> {
        if erasures.is_empty() {
            return Ok(RepeatedErasures::default());
        }
        let repeat = async |copy: &Database| Ok(repeat_erasures(&*copy.store(), erasures).await?);
        self.in_copy(id, url, true, repeat).await
    }

    /// Erasures, retention and the record, before anyone uses the copy.
    async fn finish(
        &self,
        open: &OpenBackup,
        url: &str,
        erasures: &[Erasure],
        replaced: Option<&str>,
    ) -> Result<Restored> {
        let Manifest { id, migrations, .. } = &open.manifest;
        let finish = async |copy: &Database| {
            let erased = repeat_erasures(&*copy.store(), erasures).await?;
            let retained = if copy.is_current(migrations) { Some(copy.apply_retention().await?) } else { None };
            let event = Event::new(Action::BackupRestored).on_row("Backup", id).with("erased_again", &erased);
            let event = replaced.into_iter().fold(event, |event, kept_as| event.with("replaced_is_kept_as", kept_as));
            let unit = copy.store().platform(Grant::job("backup", "to record that it was restored")?).await?;
            unit.audit().record(event).await?;
            unit.commit().await?;
            Ok(Restored { erased, retained, kept_as: None })
        };
        self.in_copy(id, url, !erasures.is_empty(), finish).await
    }

    /// Does work in the database at `url`, a copy, without the keys. With `erases` a copy that is marked as production is
    /// marked as staging meanwhile.
    async fn in_copy<T>(
        &self,
        id: &str,
        url: &str,
        erases: bool,
        work: impl AsyncFnOnce(&Database) -> Result<T>,
    ) -> Result<T> {
        let mut config = self.of_scratch(url);
        config.keyring = None;
        let mut migrations = Migrations::connect(url).await?;
        let environment = migrations.mark().await?.map(|mark| mark.environment);
        let is_marked = erases && environment == Some(Environment::Production);
        if is_marked {
            let reason = format!("erasures after the backup {id} are repeated");
            migrations.mark_environment(Environment::Staging, Some(&reason)).await?;
        }
        let database = Database::connect(config).await?;
        let done = work(&database).await;
        database.close().await;
        let done = done?;
        if is_marked {
            migrations.mark_environment(Environment::Production, None).await?;
        }
        Ok(done)
    }
}

/// The erasures of the backup's database. A signed backup was made with a list: without one, erased data would be back.
pub(super) async fn erasures_of(
    backup: &Backup,
    folder: &BackupFolder,
    trusted: &[PublicKey],
    without_list: bool,
) -> Result<Vec<Erasure>> {
    let list = match folder.erasures(trusted).await? {
        Some(list) => list,
        None if without_list || backup.signed_by().await?.is_none() => Vec::new(),
        None => {
            let reason = "the list of erasures is missing beside the backups, and erased data would be back; restore \
                          erasures.txt, or run this where the database and the key that seals its audit log can be read, \
                          or add --without-erasures";
            return Err(refused(reason.to_owned()));
        }
    };
    Ok(list.into_iter().filter(|erasure| erasure.database == backup.manifest.fingerprint).collect())
}

async fn is_empty(open: &OpenBackup, url: &str) -> Result<bool> {
    if open.manifest.is_sqlite() {
        return Ok(Pool::is_file_missing(url));
    }
    Ok(Migrations::connect_to_read(url).await?.first_table().await?.is_none())
}

pub(super) fn refused(reason: String) -> crate::error::Error {
    MaintenanceError::BackupRefused { reason }.into()
}
