//! Restoring one tenant, while the others work.

use std::path::Path;

use rylie_audit::PublicKey;
use rylie_entities::TenantId;
use rylie_maintenance::{
    Backup, BackupFolder, Erasure, OpenBackup, ReplacedTenant, Scratch, repeat_erasures, replace_tenant,
};
use rylie_migration::{Environment, Migrations};
use rylie_repositories::{Error as DataError, Progress};

use super::restore::{erasures_of, refused};
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};

/// How one tenant is restored.
pub struct RestoreTenant<'a> {
    /// The place of the backups.
    pub folder: &'a BackupFolder,
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The server for the scratch database, as for a drill.
    pub scratch: Option<&'a str>,
    /// How many tables are restored at once.
    pub jobs: u32,
    /// The file of the age identity that opens the backup; `None` takes the setting.
    pub identity: Option<&'a Path>,
    /// The keys whose signatures are believed. Empty: every key.
    pub trusted: &'a [PublicKey],
    /// Whether a manifest without a signature is accepted although keys are known.
    pub unsigned: bool,
    /// Whether a missing list of erasures is accepted.
    pub without_erasures: bool,
    /// Receives the rows that are put back.
    pub progress: &'a Progress,
}

/// The outcome.
pub type RestoredTenant = ReplacedTenant;

/// A restored copy of the database, from which a tenant is taken.
pub(crate) struct TenantCopy<'a> {
    pub(crate) url: &'a str,
    /// The id of its source, for the audit log.
    pub(crate) id: &'a str,
    /// Those of this database.
    pub(crate) erasures: &'a [Erasure],
}

impl Config {
    /// Puts one tenant of the configured database back as it was in the backup; the others continue to work.
    ///
    /// The backup is restored into a scratch database, as for a drill. There it is migrated, and erasures after the backup
    /// are repeated. Then the tenant's rows replace those of the database, in one transaction; see
    /// [`replace_tenant`](rylie_maintenance::replace_tenant). Refused for a database that is marked as production, or has
    /// another fingerprint than the backup or another schema than this version. Refused for a tenant that was erased
    /// after the backup, too. A service's own tables are included; a database that has others than the configuration's
    /// [`schema`](Config::schema) is refused.
    ///
    /// Fails with [`Error::Migration`] for a database that is marked as production, and otherwise with
    /// [`Error::Maintenance`]: each other refusal is [`BackupRefused`](rylie_maintenance::Error::BackupRefused). The
    /// backup fails as in [`restore_backup`](Self::restore_backup), and a server without the needed rights is
    /// [`ScratchLacks`](rylie_maintenance::Error::ScratchLacks).
    pub async fn restore_tenant(&self, backup: &Backup, restore: RestoreTenant<'_>) -> Result<RestoredTenant> {
        let open = self.checked(backup, restore.identity, restore.trusted, restore.unsigned).await?;
        let erasures = erasures_of(backup, restore.folder, restore.trusted, restore.without_erasures).await?;
        let live = Database::connect(self.clone()).await?;
        let restored = self.restore_tenant_to(&live, &open, &erasures, &restore).await;
        live.close().await;
        restored
    }

    async fn restore_tenant_to(
        &self,
        live: &Database,
        open: &OpenBackup,
        erasures: &[Erasure],
        restore: &RestoreTenant<'_>,
    ) -> Result<RestoredTenant> {
        refuse_target(live, Some(&open.manifest.fingerprint)).await?;
        let scratch = self.open_scratch(restore.scratch, &open.manifest).await?;
        let restored = self.restore_from_scratch(live, open, erasures, restore, &scratch).await;
        let removed = scratch.remove().await;
        let restored = restored?;
        removed?;
        Ok(restored)
    }

    async fn restore_from_scratch(
        &self,
        live: &Database,
        open: &OpenBackup,
        erasures: &[Erasure],
        restore: &RestoreTenant<'_>,
        scratch: &Scratch,
    ) -> Result<RestoredTenant> {
        scratch.restore(open, restore.jobs, &Progress::none()).await?;
        scratch.let_owners_create().await?;
        let (url, id) = (scratch.url(), open.manifest.id.as_str());
        self.take_tenant(live, TenantCopy { url, id, erasures }, restore.tenant, restore.progress).await
    }

    /// Migrates the copy, repeats erasures in it, and replaces the tenant's rows in `live` by those of the copy.
    pub(crate) async fn take_tenant(
        &self,
        live: &Database,
        copy: TenantCopy<'_>,
        tenant: &TenantId,
        progress: &Progress,
    ) -> Result<RestoredTenant> {
        let TenantCopy { url, id, erasures } = copy;
        let mut migrations = Migrations::connect(url).await?.with_own(self.schema().migrations());
        migrations.deploy(&mut |_| {}).await?;
        let reason = "a scratch copy, to restore one tenant from";
        migrations.mark_environment(Environment::Staging, Some(reason)).await?;
        drop(migrations);
        let copy = Database::connect(self.of_scratch(url)).await?;
        let (from, to) = (copy.store(), live.store());
        let replaced = async {
            refuse_other(live, copy.stored_fingerprint().await?.as_ref()).await?;
            repeat_erasures(&*from, erasures).await?;
            Ok(replace_tenant(&*from, &*to, tenant, id, progress).await?)
        };
        let replaced = replaced.await;
        copy.close().await;
        replaced.map_err(|error| match error {
            Error::Maintenance(rylie_maintenance::Error::Data { source: DataError::NotFound { .. }, .. }) => {
                let tenant = tenant.as_str();
                refused(format!("the backup {id} does not have the tenant {tenant}, or it was erased after the backup"))
            }
            error => error,
        })
    }
}

/// Refused for a database that must not change: marked as production, of another schema, or, if a fingerprint is given,
/// another one.
pub(crate) async fn refuse_target(live: &Database, fingerprint: Option<&String>) -> Result<()> {
    live.guard_destructive("restore a tenant").await?;
    if fingerprint.is_some() {
        refuse_other(live, fingerprint).await?;
    }
    if !live.health().await?.pending_migrations.is_empty() {
        return Err(refused("the database has pending migrations; run `rylie migrate deploy`".to_owned()));
    }
    // Rows of an unknown table would go with the rows that they refer to, and not come back.
    if let Some(unknown) = live.unknown_own_migration().await? {
        let advice = "restore the tenant by the version of the service that has it";
        return Err(refused(format!("the database has the migration {unknown}, unknown here; {advice}")));
    }
    Ok(())
}

async fn refuse_other(live: &Database, fingerprint: Option<&String>) -> Result<()> {
    if live.stored_fingerprint().await?.as_ref() == fingerprint {
        return Ok(());
    }
    Err(refused("the database is another one than the backup: their fingerprints differ".to_owned()))
}
