//! Restoring one tenant as it was at a time, while the others work.

use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use rylie_audit::{Action, PublicKey};
use rylie_entities::TenantId;
use rylie_maintenance::{Erasure, Replayed};
use rylie_repositories::Progress;

use super::PitrSource;
use crate::backup::{RestoredTenant, TenantCopy, refuse_target};
use crate::config::Config;
use crate::database::Database;
use crate::error::Result;

/// How one tenant is restored to a time.
pub struct RestoreTenantAt<'a> {
    /// The source of the restore.
    pub source: &'a PitrSource,
    /// The time. Transactions that committed at it or before it are in the copy.
    pub time: DateTime<Utc>,
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The folder for the scratch cluster, which is as large as the cluster.
    pub scratch: &'a Path,
    /// The keys whose signatures are believed. Empty: every key.
    pub trusted: &'a [PublicKey],
    /// Receives the rows that are put back.
    pub progress: &'a Progress,
}

impl Config {
    /// Puts one tenant of the configured database back as it was at a time; the others continue to work.
    ///
    /// A scratch cluster is restored to the time, as for a drill. Then it goes on as
    /// [`restore_tenant`](Self::restore_tenant) does, and is refused for the same reasons. The list of erasures is that
    /// in the folder of the setting `backups`, if it is set. The cluster is removed afterwards. Waits at most a minute
    /// until the WAL has arrived.
    pub async fn restore_tenant_at(&self, restore: RestoreTenantAt<'_>) -> Result<RestoredTenant> {
        let live = Database::connect(self.clone()).await?;
        let restored = self.restore_tenant_of(&live, &restore).await;
        live.close().await;
        restored
    }

    async fn restore_tenant_of(&self, live: &Database, restore: &RestoreTenantAt<'_>) -> Result<RestoredTenant> {
        refuse_target(live, None).await?;
        let database = live.stored_fingerprint().await?;
        let of_database = |erasure: &Erasure| database.as_ref() == Some(&erasure.database);
        let erasures = self.listed_erasures(Some(restore.trusted), of_database).await?;
        // The replay ends at a commit after the time, and there may be none yet.
        let time = restore.time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let facts = [("target", time.clone()), ("phase", "begun".to_owned())];
        self.record_pitr(Action::PitrRestored, restore.tenant.as_str(), &facts).await?;
        if let Err(problem) = self.wait_for_source(restore.source).await? {
            tracing::warn!(problem, "the newest WAL is missing; the time may still be within reach");
        }
        let replayed = self.replay(restore.source, restore.time, restore.scratch).await?;
        let restored = self.take_from(live, &replayed, &time, &erasures, restore).await;
        let removed = replayed.discard().await;
        let restored = restored?;
        removed?;
        Ok(restored)
    }

    async fn take_from(
        &self,
        live: &Database,
        replayed: &Replayed,
        time: &str,
        erasures: &[Erasure],
        restore: &RestoreTenantAt<'_>,
    ) -> Result<RestoredTenant> {
        let id = format!("{} at {time}", replayed.base.id);
        let copy = TenantCopy { url: &replayed.server.url(), id: &id, erasures };
        self.take_tenant(live, copy, restore.tenant, restore.progress).await
    }
}
