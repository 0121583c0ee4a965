//! The jobs of a database, and its scheduler.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rylie_maintenance::{
    BackupFolder, Engine, Job, JobContext, LibraryJob, Missed, Notifier, Scheduler, SchedulerOptions,
};
use serde_json::Value;

use crate::Database;
use crate::backup::{MakeBackup, VerifyBackup};
use crate::doctor::Diagnose;
use crate::error::Result;
use crate::pitr::{CheckPitr, MakeBase};

/// A job of the facade, which needs more than a store or an engine.
enum FacadeJob {
    MakeBackup(MakeBackup),
    VerifyBackup(VerifyBackup),
    Diagnose(Box<Diagnose>),
    CheckPitr(CheckPitr),
    MakeBase(MakeBase),
}

impl FacadeJob {
    /// Returns the name, the cron expression of the default schedule in UTC, the treatment of missed due times and the
    /// time limit. A database of ten gigabytes is copied in minutes; a hundred times that takes hours.
    fn schedule(&self) -> (&'static str, &'static str, Missed, Duration) {
        match self {
            Self::MakeBackup(_) => ("backup", "0 2 * * *", Missed::Once, Duration::from_hours(6)),
            Self::VerifyBackup(_) => ("backup-verify", "30 */4 * * *", Missed::Once, Duration::from_hours(6)),
            Self::Diagnose(_) => ("doctor", "27 * * * *", Missed::Skip, Duration::from_mins(5)),
            Self::CheckPitr(_) => ("pitr-check", "* * * * *", Missed::Skip, Duration::from_mins(5)),
            Self::MakeBase(_) => ("pitr-base", "0 1 * * *", Missed::Once, Duration::from_hours(12)),
        }
    }
}

#[async_trait]
impl Job for FacadeJob {
    fn name(&self) -> &'static str {
        self.schedule().0
    }

    fn cron(&self) -> &'static str {
        self.schedule().1
    }

    fn missed(&self) -> Missed {
        self.schedule().2
    }

    fn timeout(&self) -> Duration {
        self.schedule().3
    }

    async fn run(&self, context: &JobContext) -> rylie_maintenance::Result<Value> {
        match self {
            Self::MakeBackup(job) => job.run().await,
            Self::VerifyBackup(job) => job.run(context).await,
            Self::Diagnose(job) => job.run(context).await,
            Self::CheckPitr(job) => job.run(context).await,
            Self::MakeBase(job) => job.run().await,
        }
    }
}

impl Database {
    /// Creates the scheduler of this database's jobs from the settings `[schedule.<job>]`. `more` adds the service's
    /// jobs.
    ///
    /// Any number of processes may run one: `scheduler.run(stop).await`, as a task of a service or by
    /// `rylie maintain run`. Omitted are `backup` without the setting `backups`, `backup-verify` without that and
    /// `audit_key`, `audit` without the setting `audit_key`, `reencrypt` without a keyring, and
    /// `integrity` on PostgreSQL, `pitr-check` and `pitr-base` without the setting `pitr_folder`, and `doctor` without a
    /// target of alerts (`size_notify`). Engine maintenance and `doctor` are omitted with `behind_pooler`, because they
    /// need direct sessions.
    ///
    /// Fails with [`Error::Maintenance`](crate::Error::Maintenance): [`Schedule`](rylie_maintenance::Error::Schedule)
    /// for a wrong setting of a job, and [`Invalid`](rylie_maintenance::Error::Invalid) for a wrong place of backups.
    pub fn scheduler(&self, more: Vec<Arc<dyn Job>>, options: SchedulerOptions) -> Result<Scheduler> {
        let ours = self.jobs()?.into_iter().map(|job| Arc::new(job) as Arc<dyn Job>);
        let facades = self.backup_jobs()?.into_iter().chain(self.pitr_jobs()?).chain(self.doctor_job());
        let facades = facades.map(|job| Arc::new(job) as Arc<dyn Job>);
        let jobs = ours.chain(facades).chain(more).collect();
        let settings = self.config().schedules.by_job();
        Ok(Scheduler::new(self.store(), self.env(), jobs, &settings, options)?)
    }

    /// Returns the engine, for its maintenance and sizes. Fails with [`Error::Config`](crate::Error::Config) if
    /// `behind_pooler` is set.
    pub fn engine(&self) -> Result<Engine> {
        Ok(Engine::new(self.config().direct_platform_url()?)?)
    }

    /// Returns the targets of alerts from the settings.
    #[must_use]
    pub fn notifiers(&self) -> Vec<Notifier> {
        self.config().maintenance.size_notify.clone()
    }

    /// Creates another target of alerts, with the mail server of the settings. Fails with
    /// [`Error::Maintenance`](crate::Error::Maintenance) ([`Invalid`](rylie_maintenance::Error::Invalid)) for a text
    /// that is no target.
    pub fn notifier(&self, target: &str) -> Result<Notifier> {
        Ok(Notifier::new(target, self.config().maintenance.smtp.as_ref())?)
    }

    fn backup_jobs(&self) -> Result<Vec<FacadeJob>> {
        let Some(place) = self.config().backups() else { return Ok(Vec::new()) };
        let (config, folder) = (Arc::new(self.config().clone()), BackupFolder::new(place)?);
        let make = MakeBackup { config: Arc::clone(&config), folder: folder.clone() };
        let mut jobs = vec![FacadeJob::MakeBackup(make)];
        if self.config().maintenance.audit_key.is_some() {
            let (env, notifiers) = (self.env(), self.notifiers());
            jobs.push(FacadeJob::VerifyBackup(VerifyBackup { config, folder, env, notifiers }));
        }
        Ok(jobs)
    }

    /// An alert needs a target; without one, `rylie doctor` says the same.
    fn doctor_job(&self) -> Option<FacadeJob> {
        let notifiers = self.notifiers();
        if notifiers.is_empty() || self.config().pool.behind_pooler {
            return None;
        }
        let job = Diagnose { database: self.clone(), env: self.env(), notifiers };
        Some(FacadeJob::Diagnose(Box::new(job)))
    }

    fn pitr_jobs(&self) -> Result<Vec<FacadeJob>> {
        let config = self.config();
        if config.pool.behind_pooler {
            return Ok(Vec::new());
        }
        let is_stanza = config.pitr_stanza().is_some();
        if !is_stanza && config.pitr.folder.is_none() {
            return Ok(Vec::new());
        }
        let folder = if is_stanza { None } else { Some(config.pitr_folder(None)?) };
        let (config, env, notifiers) = (Arc::new(config.clone()), self.env(), self.notifiers());
        let check = CheckPitr { config: Arc::clone(&config), folder: folder.clone(), env, notifiers };
        let base = folder.map(|folder| FacadeJob::MakeBase(MakeBase { config, folder }));
        Ok([FacadeJob::CheckPitr(check)].into_iter().chain(base).collect())
    }

    fn jobs(&self) -> Result<Vec<LibraryJob>> {
        let settings = &self.config().maintenance;
        let mut jobs = vec![
            LibraryJob::RemoveExpired,
            LibraryJob::CloseUsage,
            LibraryJob::PurgeDeleted { after: settings.purge_after },
            LibraryJob::RemoveUsageEvents { after: settings.usage_events_after },
            LibraryJob::TidyOperations { env: self.env() },
        ];
        if let Some(key) = settings.audit_key.clone() {
            jobs.push(LibraryJob::SealAudit {
                key,
                checkpoints: settings.audit_checkpoints.clone(),
                keep_days: settings.audit_keep_days,
                env: self.env(),
            });
        }
        if self.config().keyring().is_some() {
            jobs.push(LibraryJob::Reencrypt);
        }
        if !self.config().pool.behind_pooler {
            jobs.extend(self.care()?);
        }
        Ok(jobs)
    }

    /// Returns the jobs on the engine.
    fn care(&self) -> Result<Vec<LibraryJob>> {
        let (engine, settings) = (self.engine()?, &self.config().maintenance);
        let size = LibraryJob::CaptureSize {
            engine: engine.clone(),
            env: self.env(),
            alert_above: settings.size_alert_above,
            notifiers: settings.size_notify.clone(),
        };
        let mut jobs = vec![
            LibraryJob::Vacuum(engine.clone()),
            LibraryJob::Analyze(engine.clone()),
            LibraryJob::Reindex(engine.clone()),
            size,
        ];
        if engine.is_sqlite() {
            jobs.push(LibraryJob::CheckIntegrity(engine));
        }
        Ok(jobs)
    }
}
