//! A drill of point-in-time recovery: notes a time, changes something after it, restores to the time, and compares.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rylie_audit::{Action, Outside, SigningKey};
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    BackupCheck, Engine, Error as MaintenanceError, NotedState, PgBackRest, PitrFolder, RecoveryCertificate, Replayed,
    RestoreOptions, RestoreTarget, note_state, replay_pitr,
};

use crate::backup::Drilled;
use crate::backup::drill::schema;
use crate::config::Config;
use crate::error::{Error, Result};

/// How long the WAL may take to arrive.
const ARRIVAL: Duration = Duration::from_mins(1);

/// The checks that need a restored copy, in their order.
const OF_THE_COPY: [&str; 10] =
    ["restore", "target", "copy", "rows", "tenants", "contents", "migrations", "drift", "audit", "secrets"];

/// The source of a drill.
pub enum PitrSource {
    /// This folder, by PostgreSQL's own programs.
    Native(PitrFolder),
    /// The repository of a stanza, by pgBackRest.
    PgBackRest(PgBackRest),
}

/// How a drill of point-in-time recovery is made.
pub struct PitrDrill<'a> {
    /// The source of the restore.
    pub source: PitrSource,
    /// The file of the certificate. It replaces an earlier one, and a failed drill removes it.
    pub certificate: PathBuf,
    /// The folder for the scratch cluster, which is as large as the cluster.
    pub scratch: PathBuf,
    /// Checkpoints of the audit log that were kept outside.
    pub outside: Outside,
    /// The key that signs the certificate.
    pub key: &'a SigningKey,
}

impl Config {
    /// Makes a drill against the live database and signs a certificate if every check passed.
    ///
    /// Writes a record to the audit log, notes the time, reads every row as of it, and writes a second record. Restores
    /// a scratch cluster to the noted time. The copy must have the first record and not the second, and every row as it
    /// was. Then migrations, drift, the audit log and the sealed values of the copy are checked, and the cluster is
    /// removed.
    ///
    /// [`PitrNotReady`](MaintenanceError::PitrNotReady) if there is no base,
    /// [`PitrRefused`](MaintenanceError::PitrRefused) for a stanza of another database cluster,
    /// [`FileExists`](MaintenanceError::FileExists) if the file of the certificate is another kind of file.
    pub async fn drill_pitr(&self, drill: PitrDrill<'_>) -> Result<Drilled> {
        let (source, id) = (&drill.source, SystemEnv.new_id());
        RecoveryCertificate::refuse_other_file(&drill.certificate)?;
        if let Some(problem) = source.lacks_base().await? {
            return Err(MaintenanceError::PitrNotReady { problems: vec![problem.to_owned()] }.into());
        }
        if let PitrSource::PgBackRest(program) = source {
            program.refuse_other(&self.pitr_engine()?).await?;
        }
        if let Err(problem) = self.wait_for_source(source).await? {
            RecoveryCertificate::withdraw(&drill.certificate)?;
            let mut checks = vec![not_arriving(&problem)];
            add_missing(&mut checks);
            return Ok(Drilled { checks, certificate: None });
        }
        self.record_pitr(Action::PitrDrill, &id, &[("phase", "before the noted time".to_owned())]).await?;
        let reader = self.backup_url.as_deref().map_or_else(|| self.direct_url(), Ok)?;
        let noted = note_state(&Engine::new(reader)?).await?;
        self.record_pitr(Action::PitrDrill, &id, &[("phase", "after the noted time".to_owned())]).await?;
        let arrived = self.wait_for_source(source).await?;
        // Until then a loss of the server would have lost the commit before the noted time.
        let seconds = (SystemEnv.now() - noted.at).num_milliseconds().max(0).div_euclid(1000) + 1;
        let rpo_seconds = self.rpo_of(source, seconds).await?;
        let mut checks = vec![match &arrived {
            Ok(()) => BackupCheck::ok("wal", format!("the WAL up to the noted time arrived within {seconds} s")),
            Err(problem) => not_arriving(problem),
        }];
        let mut restored = None;
        if arrived.is_ok() {
            match self.replay(source, noted.at, &drill.scratch).await.map_err(damage) {
                Ok(replayed) => {
                    let outcome = self.check_replayed(&replayed, &noted, &drill, &id, &mut checks).await;
                    let facts = (replayed.took.as_secs_f64(), replayed.base.clone(), replayed.base_sha256.clone());
                    let removed = replayed.discard().await;
                    outcome?;
                    removed?;
                    restored = Some(facts);
                }
                Err(failure) => checks.push(failure?),
            }
        }
        add_missing(&mut checks);
        let passed = !checks.iter().any(BackupCheck::is_failed);
        let result = if passed { "passed" } else { "failed" };
        self.record_pitr(Action::PitrDrill, &id, &[("phase", "result".to_owned()), ("result", result.to_owned())])
            .await?;
        let (Some((took, base, sha256)), true) = (restored, passed) else {
            RecoveryCertificate::withdraw(&drill.certificate)?;
            return Ok(Drilled { checks, certificate: None });
        };
        let certificate = RecoveryCertificate {
            backup: base.id,
            sha256,
            fingerprint: noted.fingerprint().to_owned(),
            made_at: noted.at,
            verified_at: SystemEnv.now(),
            restored_on: format!("PostgreSQL {}", base.server),
            rto_seconds: took,
            rpo_seconds,
            checkpoint: noted.checkpoint().map(str::to_owned),
            checks: checks.clone(),
        };
        certificate.store(&drill.certificate, drill.key)?;
        let path = drill.certificate.display().to_string();
        Ok(Drilled { checks, certificate: Some((certificate, path)) })
    }

    async fn check_replayed(
        &self,
        replayed: &Replayed,
        noted: &NotedState,
        drill: &PitrDrill<'_>,
        id: &str,
        checks: &mut Vec<BackupCheck>,
    ) -> Result<()> {
        let took = replayed.took.as_secs_f64();
        checks.push(BackupCheck::ok("restore", format!("base {}, {took:.2} s", replayed.base.id)));
        let time = noted.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        checks.push(match replayed.audit_records_on(id).await? {
            1 => BackupCheck::ok("target", format!("at {time}: the change before is there, the change after is not")),
            0 => BackupCheck::failed("target", format!("the change before {time} is not in the copy")),
            _ => BackupCheck::failed("target", format!("the change after {time} is in the copy")),
        });
        checks.extend(replayed.compare(noted).await?);
        let url = replayed.server.url();
        checks.extend(schema(&url, self.schema()).await?);
        checks.extend(self.check_contents(&url, noted.manifest(), drill.outside.clone()).await?);
        Ok(())
    }

    /// Waits until everything that was committed has arrived. The text names the problem.
    pub(super) async fn wait_for_source(&self, source: &PitrSource) -> Result<std::result::Result<(), String>> {
        Ok(match source {
            PitrSource::Native(folder) => match self.wait_for_wal(folder, ARRIVAL).await?.took {
                Some(_) => Ok(()),
                None => Err("the WAL does not arrive within a minute; start `rylie pitr receive`".to_owned()),
            },
            PitrSource::PgBackRest(program) => match program.check().await {
                Err(MaintenanceError::Program { reason, .. }) => {
                    Err(format!("the WAL does not arrive in the repository: {reason}"))
                }
                checked => Ok(checked?),
            },
        })
    }

    /// The seconds of commits that a loss of the server would lose; `None` if there is no limit. The check of pgBackRest ends
    /// the segment of the WAL; without it the segment is archived when it is full, or after a time.
    async fn rpo_of(&self, source: &PitrSource, seconds: i64) -> Result<Option<i64>> {
        Ok(match source {
            PitrSource::Native(_) => Some(seconds),
            PitrSource::PgBackRest(_) => {
                PgBackRest::archive_timeout(&self.pitr_engine()?).await?.map(|timeout| timeout + seconds)
            }
        })
    }

    /// The cluster at a time, with a private server on it.
    pub(super) async fn replay(&self, source: &PitrSource, time: DateTime<Utc>, scratch: &Path) -> Result<Replayed> {
        Ok(match source {
            PitrSource::Native(folder) => {
                let options = RestoreOptions { durable: false, ..RestoreOptions::default() };
                replay_pitr(folder, RestoreTarget::Time(time), scratch, &options).await?
            }
            PitrSource::PgBackRest(program) => program.replay(&self.pitr_engine()?, time, scratch).await?,
        })
    }
}

fn not_arriving(problem: &str) -> BackupCheck {
    BackupCheck::failed("wal", format!("{problem}; `rylie pitr status` shows the cause"))
}

/// Adds the checks that were not made.
fn add_missing(checks: &mut Vec<BackupCheck>) {
    let missing = OF_THE_COPY.iter().filter(|id| checks.iter().all(|check| check.id != **id));
    let missing: Vec<_> = missing.map(|id| BackupCheck::not_checked(id, "an earlier check failed")).collect();
    checks.extend(missing);
}

/// A check that states the damage; or an error that states nothing about the source.
fn damage(error: Error) -> Result<BackupCheck> {
    match &error {
        Error::Maintenance(
            MaintenanceError::BackupDamaged { .. }
            | MaintenanceError::WalDamaged { .. }
            | MaintenanceError::TargetNotReached { .. }
            | MaintenanceError::OutsideWindow { .. },
        ) => Ok(BackupCheck::failed("restore", error.to_string())),
        _ => Err(error),
    }
}

impl PitrSource {
    /// The first step, if nothing was copied yet.
    async fn lacks_base(&self) -> Result<Option<&'static str>> {
        Ok(match self {
            Self::Native(folder) => folder.bases()?.is_empty().then_some("there is no base; run `rylie pitr base`"),
            Self::PgBackRest(program) => (program.status(SystemEnv.now()).await?.bases == 0)
                .then_some("there is no backup; run `rylie pitr base --via pgbackrest`"),
        })
    }
}
