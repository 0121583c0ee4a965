//! Point-in-time recovery of the configured database.

mod drill;
mod jobs;
mod restore_tenant;

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rylie_audit::{Action, Event, PublicKey};
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    Arrival, BackupFolder, Base, BaseOptions, Engine, Erasure, PgBackRest, PgBackRestStatus, PitrFolder, PitrStatus,
    Readiness, RepeatedErasures, RestoreOptions, RestoreTarget, Restored, init_pitr, make_base, pitr_ready,
    pitr_status, receive_wal, restore_pitr, wait_for_wal,
};
use rylie_repositories::Progress;

use crate::config::Config;
use crate::error::{Error, Result};

pub use drill::{PitrDrill, PitrSource};
pub(crate) use jobs::{CheckPitr, MakeBase};
pub use restore_tenant::RestoreTenantAt;

impl Config {
    /// The folder of point-in-time recovery: the given one, or that of the setting `pitr_folder`. Fails with
    /// [`PitrRefused`](rylie_maintenance::Error::PitrRefused) on SQLite, and with [`Error::Config`] if neither is
    /// given.
    pub fn pitr_folder(&self, place: Option<&str>) -> Result<PitrFolder> {
        self.refuse_sqlite()?;
        let place = place.or(self.pitr.folder.as_deref()).ok_or_else(|| Error::Config {
            setting: "pitr_folder".to_owned(),
            reason: "it is not set; name the folder with --folder, RYLIE_PITR_FOLDER or in rylie.toml".to_owned(),
        })?;
        Ok(PitrFolder::new(place)?)
    }

    /// The installed pgBackRest with the stanza of the setting `pitr_stanza`; see [`PgBackRest::find`]. Fails with
    /// [`Error::Config`] without the setting, and with [`PitrRefused`](rylie_maintenance::Error::PitrRefused) on
    /// SQLite.
    pub async fn pgbackrest(&self) -> Result<PgBackRest> {
        let stanza = self.pitr.stanza.as_deref().ok_or_else(|| Error::Config {
            setting: "pitr_stanza".to_owned(),
            reason: "it is not set; name the stanza of pgBackRest with RYLIE_PITR_STANZA or in rylie.toml".to_owned(),
        })?;
        self.refuse_sqlite()?;
        Ok(PgBackRest::find(stanza).await?)
    }

    /// The source of point-in-time recovery: the stanza of the setting `pitr_stanza`, else the folder of the setting
    /// `pitr_folder`. Fails as [`pgbackrest_of_server`](Self::pgbackrest_of_server) or
    /// [`pitr_folder`](Self::pitr_folder) does.
    pub async fn pitr_source(&self) -> Result<PitrSource> {
        Ok(match self.pitr_stanza() {
            Some(_) => PitrSource::PgBackRest(self.pgbackrest_of_server().await?),
            None => PitrSource::Native(self.pitr_folder(None)?),
        })
    }

    /// As [`pgbackrest`](Self::pgbackrest), but refuses a stanza of another database cluster than the configured one
    /// ([`PitrRefused`](rylie_maintenance::Error::PitrRefused)).
    pub async fn pgbackrest_of_server(&self) -> Result<PgBackRest> {
        let program = self.pgbackrest().await?;
        program.refuse_other(&self.pitr_engine()?).await?;
        Ok(program)
    }

    /// The state of the stanza and of the live server's archiver; see [`PgBackRest::watch`].
    pub async fn watch_pgbackrest(&self) -> Result<PgBackRestStatus> {
        Ok(self.pgbackrest().await?.watch(&self.pitr_engine()?, SystemEnv.now()).await?)
    }

    /// The name of the stanza of pgBackRest, if one is set.
    #[must_use]
    pub fn pitr_stanza(&self) -> Option<&str> {
        self.pitr.stanza.as_deref()
    }

    /// For how long no WAL may arrive before that is a finding.
    #[must_use]
    pub fn pitr_alert_after(&self) -> Duration {
        self.pitr.alert_after
    }

    /// Sets up point-in-time recovery; see [`init_pitr`](rylie_maintenance::init_pitr).
    pub async fn init_pitr(&self, folder: &PitrFolder) -> Result<Readiness> {
        self.guard_fingerprint().await?;
        let engine = self.pitr_engine()?;
        let fingerprint = self.expected_fingerprint().await;
        Ok(init_pitr(&engine, folder, &self.pitr.slot, fingerprint, SystemEnv.now()).await?)
    }

    /// Checks that everything is in place; see [`pitr_ready`](rylie_maintenance::pitr_ready).
    pub async fn pitr_ready(&self, folder: &PitrFolder) -> Result<Readiness> {
        Ok(pitr_ready(&self.pitr_engine()?, folder).await?)
    }

    /// Writes a marker to the WAL and waits for it; see [`wait_for_wal`](rylie_maintenance::wait_for_wal).
    pub async fn wait_for_wal(&self, folder: &PitrFolder, within: Duration) -> Result<Arrival> {
        Ok(wait_for_wal(&self.pitr_engine()?, folder, within).await?)
    }

    /// Makes a base; see [`make_base`](rylie_maintenance::make_base).
    pub async fn make_base(&self, folder: &PitrFolder, options: &BaseOptions, progress: &Progress) -> Result<Base> {
        Ok(make_base(&self.pitr_engine()?, folder, options, progress).await?)
    }

    /// The state of point-in-time recovery; see [`pitr_status`](rylie_maintenance::pitr_status).
    pub async fn pitr_status(&self, folder: &PitrFolder, patience: Duration, limit: Duration) -> Result<PitrStatus> {
        Ok(pitr_status(&self.pitr_engine()?, folder, patience, limit, SystemEnv.now()).await?)
    }

    /// Receives the WAL until the future is dropped; see [`receive_wal`](rylie_maintenance::receive_wal).
    pub async fn receive_wal(&self, folder: &PitrFolder) -> Result<()> {
        Ok(receive_wal(&self.pitr_engine()?, folder).await?)
    }

    /// Restores into a new data directory; see [`restore_pitr`](rylie_maintenance::restore_pitr). Needs no live database.
    ///
    /// Tenants and users that were erased after the target are erased again in the copy: those on the signed list in the
    /// folder of the setting `backups`, where there is one.
    ///
    /// Fails as that function does, and with [`BackupDamaged`](rylie_maintenance::Error::BackupDamaged) as
    /// [`erased_after`](Self::erased_after) does.
    pub async fn restore_pitr(
        &self,
        folder: &PitrFolder,
        target: RestoreTarget,
        into: &Path,
        run: bool,
        options: &RestoreOptions,
    ) -> Result<(Restored, RepeatedErasures)> {
        let fingerprint = folder.manifest()?.fingerprint;
        let of_database = |erasure: &Erasure| fingerprint.as_ref() == Some(&erasure.database);
        let erasures = self.listed_erasures(None, of_database).await?;
        let replayed = restore_pitr(folder, target, into, options).await?;
        let repeated = self.repeat_erasures(&replayed.base.id, &replayed.server.url(), &erasures).await?;
        Ok((replayed.keep(into, run).await?, repeated))
    }

    /// The erasures after a time, of the signed list in the folder of the setting `backups`: a restore by pgBackRest
    /// brings it back. Empty without the setting. Fails with [`BackupDamaged`](rylie_maintenance::Error::BackupDamaged)
    /// if the list was changed or is signed by an unknown key.
    pub async fn erased_after(&self, time: DateTime<Utc>) -> Result<Vec<Erasure>> {
        self.listed_erasures(None, |erasure| erasure.at >= time).await
    }

    /// The wanted erasures of the signed list in the folder of the setting `backups`. Empty without the setting or the
    /// list. Without `trusted` keys those of the settings are believed.
    async fn listed_erasures(
        &self,
        trusted: Option<&[PublicKey]>,
        wanted: impl Fn(&Erasure) -> bool,
    ) -> Result<Vec<Erasure>> {
        let Some(folder) = self.backups().map(BackupFolder::new).transpose()? else { return Ok(Vec::new()) };
        let trusted = trusted.map_or_else(|| self.known_audit_keys(), |keys| Ok(keys.to_vec()))?;
        let erasures = folder.erasures(&trusted).await?.unwrap_or_default();
        Ok(erasures.into_iter().filter(wanted).collect())
    }

    /// Records what was done for point-in-time recovery in the audit log of the database. The error is for a warning,
    /// as that of [`record_backup`](Self::record_backup).
    pub async fn record_pitr(&self, action: Action, id: &str, facts: &[(&'static str, String)]) -> Result<()> {
        let event = Event::new(action).on_row("PointInTimeRecovery", id);
        let event = facts.iter().fold(event, |event, (name, fact)| event.with(name, fact));
        self.record_backup(event).await
    }

    /// The server by the login for replication: the setting `pitr_url`, else `database_url`.
    fn pitr_engine(&self) -> Result<Engine> {
        self.refuse_sqlite()?;
        let url = self.pitr.url.as_deref().map_or_else(|| self.direct_url(), Ok)?;
        Ok(Engine::new(url)?)
    }

    fn refuse_sqlite(&self) -> Result<()> {
        if !self.url.starts_with("sqlite:") {
            return Ok(());
        }
        let reason = "SQLite has no log that could be replayed to a time; use `rylie backup create` instead".to_owned();
        Err(rylie_maintenance::Error::PitrRefused { reason }.into())
    }
}
