//! The jobs that a database has, and its scheduler.

use std::sync::Arc;

use rylie_maintenance::{Engine, Job, LibraryJob, Notifier, Scheduler, SchedulerOptions};

use crate::Database;
use crate::error::Result;

impl Database {
    /// The scheduler of this database's jobs, as the settings `[schedule.<job>]` say. `more` are jobs of the service's own.
    ///
    /// Any number of processes may run one: `scheduler.run(stop).await`, as a task of a service or by `rylie maintain run`.
    /// Left out are `audit` without the setting `audit_key`, `reencrypt` without a keyring, `integrity` but on SQLite,
    /// and the care of the engine `behind_pooler`, as that takes sessions of its own.
    pub fn scheduler(&self, more: Vec<Arc<dyn Job>>, options: SchedulerOptions) -> Result<Scheduler> {
        let ours = self.jobs()?.into_iter().map(|job| Arc::new(job) as Arc<dyn Job>);
        let jobs = ours.chain(more).collect();
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

    fn jobs(&self) -> Result<Vec<LibraryJob>> {
        let settings = &self.config().maintenance;
        let mut jobs = vec![
            LibraryJob::RemoveExpired,
            LibraryJob::CloseUsage,
            LibraryJob::PurgeDeleted { after: settings.purge_after },
            LibraryJob::RemoveUsageEvents { after: settings.usage_events_after },
            LibraryJob::TidyBooks { env: self.env() },
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

    /// Jobs on the engine itself.
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
