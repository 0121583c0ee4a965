//! A restore by pgBackRest with a private server on it, for a drill.

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::info::{Backup, stanza_in};
use super::{PgBackRest, failed, restore_words};
use crate::backup::checksum::sha256;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::files::make_private;
use crate::pitr::base_manifest::{BaseManifest, FORMAT};
use crate::pitr::private_server::{PrivateServer, Programs};
use crate::pitr::restore::Replayed;
use crate::pitr::server::{Server, ServerFacts};
use crate::pitr::target::RestoreTarget;
use crate::pitr::work_folder::WorkFolder;

/// pgBackRest's codes for a file of the repository that is not as it was written: checksum, format, reading, missing.
const DAMAGED: [&str; 4] = ["[026]", "[029]", "[042]", "[055]"];

/// The longest replay.
const LONGEST: Duration = Duration::from_hours(6);

impl PgBackRest {
    /// Restores the newest backup to a time into a folder that is removed when the result is dropped, and leaves a
    /// private server running there, which has fetched the WAL by pgBackRest. `live` is the server of the stanza.
    ///
    /// Tablespaces are restored into the same folder. [`Error::PitrNotReady`] without a backup before the time,
    /// [`Error::BackupDamaged`] if a file of the backup is not as it was written, [`Error::TargetNotReached`] if the
    /// server ends before the time.
    pub async fn replay(&self, live: &Engine, time: DateTime<Utc>, parent: &Path) -> Result<Replayed> {
        let begun = Instant::now();
        let mut server = Server::connect(live).await?;
        let facts = server.facts().await?;
        server.close().await;
        let base = self.newest_before(time, facts).await?;
        let programs = Programs::of(base.major()).await?;
        let (work, user) = WorkFolder::new(parent).await?;
        let (data, tablespaces) = (work.path().join("data"), work.path().join("tablespaces"));
        for folder in [&data, &tablespaces] {
            make_private(folder)?;
        }
        if let Some(user) = user {
            user.own(work.path())?;
        }
        let more = [
            format!("--tablespace-map-all={}", tablespaces.display()),
            // A restore in earnest must not wait for this one.
            format!("--lock-path={}", work.path().join("lock").display()),
        ];
        let words = restore_words(RestoreTarget::Time(time), &data, Some(&base.id), more);
        // The server's user also runs pgBackRest during the replay.
        self.run_as(user, Some(&work.path().join("program.pid")), &words, LONGEST)
            .await
            .map_err(|error| damage(&base.id, error))?;
        let settings = ["fsync=off", "full_page_writes=off"].map(str::to_owned);
        let server = PrivateServer::start(&data, &base, programs, user, &settings, LONGEST).await?;
        let sha256 = base.backup_manifest.clone();
        Ok(Replayed::on(server, base, sha256, begun, work, user).await?.0)
    }

    async fn newest_before(&self, time: DateTime<Utc>, facts: ServerFacts) -> Result<BaseManifest> {
        let stanza = stanza_in(&self.info().await?, &self.stanza)?;
        let fits = |backup: &&Backup| backup.timestamp.stop <= time.timestamp();
        let newest = stanza.backup.iter().filter(fits).max_by_key(|backup| backup.timestamp.stop);
        let Some(backup) = newest else {
            let problem = "there is no backup; run `rylie pitr base --via pgbackrest`".to_owned();
            return Err(Error::PitrNotReady { problems: vec![problem] });
        };
        let path = format!("backup/{}/{}/backup.manifest", self.stanza, backup.label);
        let get = self.run_as(None, None, &["repo-get", &path], LONGEST).await;
        let manifest = get.map_err(|error| damage(&backup.label, error))?;
        self.described(backup, &manifest, facts)
    }

    fn described(&self, backup: &Backup, manifest: &[u8], facts: ServerFacts) -> Result<BaseManifest> {
        let unknown = || failed("its output has a form that this version does not know".to_owned());
        let at = |seconds| DateTime::from_timestamp(seconds, 0).ok_or_else(unknown);
        let lsn = backup.lsn.as_ref().ok_or_else(unknown)?;
        Ok(BaseManifest {
            format: FORMAT,
            id: backup.label.clone(),
            begun_at: at(backup.timestamp.start)?,
            ended_at: at(backup.timestamp.stop)?,
            server: facts.version,
            tool: self.shown(),
            system_identifier: facts.system_identifier,
            timeline: facts.timeline,
            start: lsn.start.parse()?,
            end: lsn.stop.parse()?,
            parent: backup.prior.clone(),
            bytes: backup.info.as_ref().map_or(0, |info| info.size),
            backup_manifest: sha256(manifest),
            superuser: facts.superuser,
            database: facts.database,
            max_prepared_transactions: facts.max_prepared_transactions,
        })
    }
}

/// Tells a damaged backup from a program that is not configured.
fn damage(id: &str, error: Error) -> Error {
    match error {
        Error::Program { reason, .. } if DAMAGED.iter().any(|code| reason.starts_with(code)) => {
            Error::BackupDamaged { id: id.to_owned(), reason }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_told_from_a_program_that_is_not_configured() {
        let error = |reason: &str| damage("b", failed(reason.to_owned()));
        assert!(matches!(error("[026]: unable to restore"), Error::BackupDamaged { .. }));
        assert!(matches!(error("[037]: restore command requires option: repo1-path"), Error::Program { .. }));
    }
}
