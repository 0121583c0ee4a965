//! The jobs of a database, and its scheduler.

use std::sync::Arc;

use rylie_maintenance::{
    Analyze, CaptureSize, CheckIntegrity, CloseUsage, Engine, Job, Notifier, PurgeDeleted, Reencrypt, Reindex,
    RemoveExpired, RemoveUsageEvents, Scheduler, SchedulerOptions, SealAudit, TidyBooks, Vacuum,
};

use crate::Database;
use crate::error::Result;

impl Database {
    /// Creates the scheduler of this database's jobs from the settings `[schedule.<job>]`. `more` adds the service's
    /// jobs.
    ///
    /// Any number of processes may run one: `scheduler.run(stop).await`, as a task of a service or by
    /// `rylie maintain run`. Omitted are `audit` without the setting `audit_key`, `reencrypt` without a keyring, and
    /// `integrity` on PostgreSQL. Engine maintenance is omitted with `behind_pooler`, because it needs direct sessions.
    pub fn scheduler(&self, more: Vec<Arc<dyn Job>>, options: SchedulerOptions) -> Result<Scheduler> {
        let mut jobs = self.jobs()?;
        jobs.extend(more);
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

    /// Creates another target of alerts, with the mail server of the settings.
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
        if !self.config().pool.behind_pooler {
            jobs.extend(self.care()?);
        }
        Ok(jobs)
    }

    /// Returns the jobs on the engine.
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
