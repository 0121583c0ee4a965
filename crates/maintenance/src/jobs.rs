//! The library's jobs for the scheduler, in one table.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rylie_audit::{CheckpointSink, SigningKey};
use rylie_entities::Env;
use rylie_repositories::{Progress, Store};
use serde_json::{Value, json};

use crate::alert::{Notifier, check_size, deliver_alerts};
use crate::audit::{checkpoint_sinks, retain_audit, seal_audit};
use crate::engine::{Engine, analyze, check_integrity, keep_sizes, reindex, sizes, vacuum};
use crate::error::{Error, Result};
use crate::job::{Job, JobContext};
use crate::secrets::reencrypt;
use crate::sweep::{Sweep, purge_deleted, remove_expired, remove_usage_events};
use crate::usage::close_usage;
use crate::work::operations;

/// Number of rows of operational tables deleted in one transaction.
const OPERATIONS_BATCH: u64 = 5_000;

/// Number of secrets re-encrypted in one transaction.
const SECRETS_BATCH: u64 = 500;

/// A job of the library. Each variant contains the job's parameters except the store.
#[derive(Clone)]
#[non_exhaustive]
pub enum LibraryJob {
    /// `sessions`: deletes expired sessions and verification tokens, every hour.
    RemoveExpired,
    /// `usage`: closes every ended billing period, every hour: each user's period ends at a different time.
    CloseUsage,
    /// `purge`: permanently removes requests and tasks some time after their soft deletion, every night.
    PurgeDeleted {
        /// How long they are kept.
        after: Duration,
    },
    /// `usage-events`: removes counted usage events, every night.
    RemoveUsageEvents {
        /// How long they are kept: longer than any sender retries.
        after: Duration,
    },
    /// `books`: removes job runs after 90 days, and delivered alerts after a year, every night.
    TidyOperations {
        /// The clock for their age.
        env: Arc<dyn Env>,
    },
    /// `audit`: seals the audit log every five minutes, and removes sealed batches after their retention time.
    SealAudit {
        /// The file of the signing key; read at each run.
        key: PathBuf,
        /// The destinations of checkpoints for [`checkpoint_sinks`](crate::checkpoint_sinks): places that the
        /// database's administrators cannot write to.
        checkpoints: Option<String>,
        /// How many days records are kept; `None` keeps them forever.
        keep_days: Option<u32>,
        /// The clock for their age.
        env: Arc<dyn Env>,
    },
    /// `reencrypt`: re-encrypts every secret under the active key, in the form that its column's policy writes, once a
    /// week. Only reads if all are current.
    Reencrypt,
    /// `vacuum`: vacuums the tables that need it, every night.
    Vacuum(Engine),
    /// `analyze`: analyzes the tables that have changed, every hour.
    Analyze(Engine),
    /// `reindex`: rebuilds bloated indexes, every Sunday night.
    Reindex(Engine),
    /// `integrity`: checks a SQLite file, every Sunday night. Damage makes the job fail, so that status reports it.
    CheckIntegrity(Engine),
    /// `size`: stores the sizes of the database and its tables, every ten minutes. Sends alerts if configured, and
    /// retries failed deliveries.
    CaptureSize {
        /// The database.
        engine: Engine,
        /// The clock for the time of the sizes.
        env: Arc<dyn Env>,
        /// The size in bytes above which an alert is sent; `None` sends none.
        alert_above: Option<i64>,
        /// The targets of alerts.
        notifiers: Vec<Notifier>,
    },
}

impl LibraryJob {
    /// Returns the job's name and the cron expression of its default schedule, in UTC.
    fn schedule(&self) -> (&'static str, &'static str) {
        match self {
            Self::RemoveExpired => ("sessions", "17 * * * *"),
            Self::CloseUsage => ("usage", "7 * * * *"),
            Self::PurgeDeleted { .. } => ("purge", "23 2 * * *"),
            Self::RemoveUsageEvents { .. } => ("usage-events", "33 2 * * *"),
            Self::TidyOperations { .. } => ("books", "53 2 * * *"),
            Self::SealAudit { .. } => ("audit", "*/5 * * * *"),
            Self::Reencrypt => ("reencrypt", "43 2 * * 6"),
            Self::Vacuum(_) => ("vacuum", "11 3 * * *"),
            Self::Analyze(_) => ("analyze", "51 * * * *"),
            Self::Reindex(_) => ("reindex", "31 3 * * 0"),
            Self::CheckIntegrity(_) => ("integrity", "41 3 * * 0"),
            Self::CaptureSize { .. } => ("size", "*/10 * * * *"),
        }
    }
}

#[async_trait]
impl Job for LibraryJob {
    fn name(&self) -> &'static str {
        self.schedule().0
    }

    fn cron(&self) -> &'static str {
        self.schedule().1
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let (store, sweep) = (context.store(), &Sweep::default());
        Ok(match self {
            Self::RemoveExpired => {
                let removed = remove_expired(store, sweep).await?;
                json!({ "deleted": removed.sessions, "verification_tokens": removed.verification_tokens })
            }
            Self::CloseUsage => json!({ "archived": close_usage(store, None, sweep).await?.users }),
            Self::PurgeDeleted { after } => {
                let purged = purge_deleted(store, *after, sweep).await?;
                let deleted = purged.requests + purged.tasks;
                json!({ "deleted": deleted, "requests": purged.requests, "tasks": purged.tasks })
            }
            Self::RemoveUsageEvents { after } => {
                json!({ "deleted": remove_usage_events(store, *after, sweep).await? })
            }
            Self::TidyOperations { env } => tidy_operations(store, env.now()).await?,
            Self::SealAudit { key, checkpoints, keep_days, env } => {
                let unreadable =
                    |error: rylie_audit::Error| Error::Data { doing: "reading the signing key", source: error.into() };
                let key = SigningKey::load(key).map_err(unreadable)?;
                let places = checkpoint_sinks(checkpoints.as_deref().unwrap_or_default())?;
                let sinks: Vec<&dyn CheckpointSink> = places.iter().map(|place| &**place).collect();
                let deleted = match keep_days {
                    Some(days) => retain_audit(store, &key, &sinks, env.now(), *days).await?.records,
                    None => 0,
                };
                json!({ "sealed": seal_audit(store, &key, &sinks).await?.records, "deleted": deleted })
            }
            Self::Reencrypt => {
                let done = reencrypt(store, SECRETS_BATCH, &Progress::none()).await?;
                if !done.unreadable.is_empty() {
                    tracing::warn!(values = done.unreadable.len(), "some secrets do not open; see `rylie keys report`");
                }
                json!({
                    "looked_at": done.looked_at,
                    "reencrypted": done.reencrypted,
                    "changed_meanwhile": done.changed_meanwhile,
                    "unreadable": done.unreadable.len(),
                })
            }
            Self::Vacuum(engine) => json!(vacuum(engine, false).await?),
            Self::Analyze(engine) => json!(analyze(engine, false).await?),
            Self::Reindex(engine) => json!(reindex(engine, false).await?),
            Self::CheckIntegrity(engine) => match check_integrity(engine).await?.damage.into_iter().next() {
                None => json!({ "ok": true }),
                Some(first) => return Err(Error::Damaged { first }),
            },
            Self::CaptureSize { engine, env, alert_above, notifiers } => {
                let sizes = sizes(engine, false).await?;
                keep_sizes(store, env.now(), &sizes).await?;
                let event = match alert_above {
                    Some(threshold) => check_size(store, sizes.database_bytes, *threshold, notifiers).await?,
                    None => None,
                };
                let undelivered = deliver_alerts(store, &**env, notifiers).await?;
                json!({ "database_bytes": sizes.database_bytes, "alert": event, "undelivered": undelivered.len() })
            }
        })
    }
}

async fn tidy_operations(store: &dyn Store, now: DateTime<Utc>) -> Result<Value> {
    let doing = "removing old rows of operational tables";
    let mut runs = 0;
    loop {
        let unit = operations(store, doing).await?;
        let done = unit.job_runs().forget(now - TimeDelta::days(90), OPERATIONS_BATCH).await;
        let done = unit.commit(done).await?;
        runs += done;
        if done < OPERATIONS_BATCH {
            break;
        }
    }
    let unit = operations(store, doing).await?;
    let alerts = unit.alerts().forget_alerts(now - TimeDelta::days(365)).await;
    Ok(json!({ "runs": runs, "alerts": unit.commit(alerts).await? }))
}
