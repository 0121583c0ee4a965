//! The jobs that a database has, and its scheduler.

use std::sync::Arc;

use rylie_maintenance::{
    Analyze, BackupFolder, CaptureSize, CheckIntegrity, CloseUsage, Engine, Job, Notifier, PurgeDeleted, Reencrypt,
    Reindex, RemoveExpired, RemoveUsageEvents, Scheduler, SchedulerOptions, SealAudit, TidyBooks, Vacuum,
};

use crate::Database;
use crate::backup::{MakeBackup, VerifyBackup};
use crate::error::Result;

impl Database {
    /// The scheduler of this database's jobs, as the settings `[schedule.<job>]` say. `more` are jobs of the service's own.
    ///
    /// Any number of processes may run one: `scheduler.run(stop).await`, as a task of a service or by `rylie maintain run`.
    /// Left out are `backup` without the setting `backups`, `backup-verify` without that and `audit_key`, `audit` without the setting `audit_key`, `reencrypt` without a keyring, `integrity` but on SQLite,
    /// and the care of the engine `behind_pooler`, as that takes sessions of its own.
    pub fn scheduler(&self, more: Vec<Arc<dyn Job>>, options: SchedulerOptions) -> Result<Scheduler> {
        let mut jobs = self.jobs()?;
        jobs.extend(more);
        let settings = self.config().schedules.by_job();
        Ok(Scheduler::new(self.store(), self.env(), jobs, &settings, options)?)
    }

    /// The engine, for its care and its sizes. [`Error::Config`](crate::Error::Config) with `behind_pooler`.
    pub fn engine(&self) -> Result<Engine> {
        Ok(Engine::new(self.config().direct_platform_url()?)?)
    }

    /// Whom the settings say an alert is told.
    #[must_use]
    pub fn notifiers(&self) -> Vec<Notifier> {
        self.config().maintenance.size_notify.clone()
    }

    /// Another target for alerts, by the mail server of the settings.
    pub fn notifier(&self, target: &str) -> Result<Notifier> {
        Ok(Notifier::new(target, self.config().maintenance.smtp.as_ref())?)
    }

    fn jobs(&self) -> Result<Vec<Arc<dyn Job>>> {
        let settings = &self.config().maintenance;
        let mut jobs: Vec<Arc<dyn Job>> = vec![
            Arc::new(RemoveExpired),
            Arc::new(CloseUsage),
            Arc::new(PurgeDeleted { after: settings.purge_after }),
            Arc::new(RemoveUsageEvents { after: settings.usage_events_after }),
            Arc::new(TidyBooks { env: self.env() }),
        ];
        if let Some(key) = settings.audit_key.clone() {
            jobs.push(Arc::new(SealAudit {
                key,
                checkpoints: settings.audit_checkpoints.clone(),
                keep_days: settings.audit_keep_days,
                env: self.env(),
            }));
        }
        if self.config().keyring().is_some() {
            jobs.push(Arc::new(Reencrypt));
        }
        if let Some(place) = self.config().backups() {
            let (config, folder) = (Arc::new(self.config().clone()), BackupFolder::new(place)?);
            jobs.push(Arc::new(MakeBackup { config: Arc::clone(&config), folder: folder.clone() }));
            if settings.audit_key.is_some() {
                let (env, notifiers) = (self.env(), self.notifiers());
                jobs.push(Arc::new(VerifyBackup { config, folder, env, notifiers }));
            }
        }
        if !self.config().pool.behind_pooler {
            jobs.extend(self.care()?);
        }
        Ok(jobs)
    }

    /// Jobs on the engine itself.
    fn care(&self) -> Result<Vec<Arc<dyn Job>>> {
        let (engine, settings) = (self.engine()?, &self.config().maintenance);
        let size = CaptureSize {
            engine: engine.clone(),
            env: self.env(),
            alert_above: settings.size_alert_above,
            notifiers: settings.size_notify.clone(),
        };
        let mut jobs: Vec<Arc<dyn Job>> = vec![
            Arc::new(Vacuum(engine.clone())),
            Arc::new(Analyze(engine.clone())),
            Arc::new(Reindex(engine.clone())),
            Arc::new(size),
        ];
        if engine.is_sqlite() {
            jobs.push(Arc::new(CheckIntegrity(engine)));
        }
        Ok(jobs)
    }
}
