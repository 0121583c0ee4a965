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
use crate::error::Result;

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
    /// Receives the rows that are put back.
    pub progress: &'a Progress,
}

/// The outcome.
pub type RestoredTenant = ReplacedTenant;

impl Config {
    /// Puts one tenant of the configured database back as it was in the backup; the others continue to work.
    ///
    /// The backup is restored into a scratch database, as for a drill. There it is migrated, and erasures after the backup
    /// are repeated. Then the tenant's rows replace those of the database, in one transaction; see
    /// [`replace_tenant`](rylie_maintenance::replace_tenant). Refused for a database that is marked as production, or has
    /// another fingerprint than the backup or another schema than this version. Refused for a tenant that was erased
    /// after the backup, too. A service's own tables are included; a database that has others than the configuration's
    /// [`schema`](Config::schema) is refused.
    pub async fn restore_tenant(&self, backup: &Backup, restore: RestoreTenant<'_>) -> Result<RestoredTenant> {
        let open = self.checked(backup, restore.identity, restore.trusted).await?;
        let erasures = erasures_of(backup, restore.folder, restore.trusted).await?;
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
        live.guard_destructive("restore a tenant").await?;
        if live.stored_fingerprint().await?.as_ref() != Some(&open.manifest.fingerprint) {
            let reason = "the database is another one than the backup: their fingerprints differ";
            return Err(refused(reason.to_owned()));
        }
        if !live.health().await?.pending_migrations.is_empty() {
            return Err(refused("the database has pending migrations; run `rylie migrate deploy`".to_owned()));
        }
        // Rows of an unknown table would go with the rows that they refer to, and not come back.
        if let Some(unknown) = live.unknown_own_migration().await? {
            let advice = "restore the tenant by the version of the service that has it";
            return Err(refused(format!("the database has the migration {unknown}, unknown here; {advice}")));
        }
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
        let mut migrations = Migrations::connect(scratch.url()).await?.with_own(self.schema().migrations());
        migrations.deploy(&mut |_| {}).await?;
        let reason = "a scratch copy, to restore one tenant from";
        migrations.mark_environment(Environment::Staging, Some(reason)).await?;
        drop(migrations);
        let copy = Database::connect(self.of_scratch(scratch.url())).await?;
        let (from, to) = (copy.store(), live.store());
        let replaced = async {
            repeat_erasures(&*from, erasures, open.manifest.made_at).await?;
            let (tenant, id) = (restore.tenant, open.manifest.id.as_str());
            replace_tenant(&*from, &*to, tenant, id, restore.progress).await
        };
        let replaced = replaced.await;
        copy.close().await;
        replaced.map_err(|error| match error {
            rylie_maintenance::Error::Data { source: DataError::NotFound { .. }, .. } => refused(format!(
                "the backup {} does not have the tenant {}, or it was erased after the backup",
                open.manifest.id,
                restore.tenant.as_str()
            )),
            error => error.into(),
        })
    }
}
