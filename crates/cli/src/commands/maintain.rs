//! `rylie maintain`

mod engine;
mod scheduler;

use std::time::Duration;

use clap::{Args, Subcommand};
use rylie_db::Database;
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{Sweep, close_usage, purge_deleted, remove_expired, remove_usage_events, reset_usage};
use rylie_db::repositories::{Month, Store};
use serde_json::{Value, json};

use super::audit::Sealing;
use super::{engine_of, migrated_database};
use crate::arguments::Global;
use crate::failure::Result;
use crate::progress;
use crate::report::Report;
use engine::EngineArgs;
use scheduler::Run;
pub(super) use scheduler::stop;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie maintain sessions --quiet")]
pub(crate) enum Maintain {
    /// Delete expired sessions and verification tokens
    #[command(after_help = "Example:\n  rylie maintain sessions")]
    Sessions(BatchArgs),
    Usage(Usage),
    Purge(Purge),
    UsageEvents(UsageEvents),
    Audit(MaintainAudit),
    /// Vacuum tables with many dead rows
    ///
    /// On PostgreSQL nothing is blocked, and a locked table is skipped until the next run. SQLite rewrites its file if
    /// a tenth of it is free, and checkpoints the write-ahead log.
    #[command(after_help = "Example:\n  rylie maintain vacuum --json")]
    Vacuum(EngineArgs),
    /// Update the planner's statistics
    #[command(after_help = "Example:\n  rylie maintain analyze")]
    Analyze(EngineArgs),
    /// Rebuild indexes that are more than half empty, concurrently, and drop the remains of failed rebuilds
    #[command(after_help = "Example:\n  rylie maintain reindex --all")]
    Reindex(EngineArgs),
    Run(Run),
    /// Show each job's last run, next run and last error; exit code 3 if a job failed or is overdue, or an alert was
    /// not delivered
    #[command(after_help = "Example:\n  rylie maintain status --json")]
    Status,
}

/// The limits of a job.
#[derive(Args, Debug)]
pub(crate) struct BatchArgs {
    /// Only count the affected rows
    #[arg(long)]
    dry_run: bool,
    /// Stop after this many rows of each kind
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
}

/// Archive and reset the counters of every billing period that has ended
///
/// Each period is archived once, under the month in which it began, even if many processes run the command.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie maintain usage --period 2026-01 --json")]
pub(crate) struct Usage {
    /// Only periods that began in this month
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<Month>,
    /// Reset every user with a package now, whether or not the period has ended: archives it under this month and
    /// begins a new one now. Refused where the environment marker is production
    #[arg(long, conflicts_with_all = ["period", "limit"])]
    reset: bool,
    #[command(flatten)]
    batch: BatchArgs,
}

/// Permanently remove rows that were soft-deleted long ago: requests with their tasks, tasks,
/// and rows of the service's own tables
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie maintain purge --older-than 30d --dry-run")]
pub(crate) struct Purge {
    /// The minimum age: a number with `s`, `m`, `h` or `d`
    #[arg(long, value_name = "AGE", default_value = "30d", value_parser = age)]
    older_than: Duration,
    #[command(flatten)]
    batch: BatchArgs,
}

/// Remove the events by which usage was counted; an event that is delivered again later counts again
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie maintain usage-events --older-than 90d")]
pub(crate) struct UsageEvents {
    /// The minimum age: a number with `s`, `m`, `h` or `d`
    #[arg(long, value_name = "AGE", default_value = "90d", value_parser = age)]
    older_than: Duration,
    #[command(flatten)]
    batch: BatchArgs,
}

/// Seal the audit log, and remove sealed batches whose retention has ended
///
/// Batches are removed as a whole. Their checkpoints stay, and `rylie audit verify` reports the removal. Unsealed
/// records are never removed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie maintain audit --keep-days 730")]
pub(crate) struct MaintainAudit {
    /// The retention in days [default: `audit_keep_days` of the settings, else unlimited]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_days: Option<u32>,
    #[command(flatten)]
    sealing: Sealing,
}

impl Maintain {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let database = migrated_database(global).await?;
        let store = database.store();
        let report = match self {
            Self::Sessions(batch) => sessions(&*store, batch, global).await?,
            Self::Usage(usage) => usage.run(&database, global).await?,
            Self::Purge(purge) => purge.run(&*store, global).await?,
            Self::UsageEvents(events) => events.run(&*store, global).await?,
            Self::Audit(audit) => audit.sealing.maintain(&database, audit.keep_days).await?,
            Self::Vacuum(args) => args.vacuum(&engine_of(&database, global)?).await?,
            Self::Analyze(args) => args.analyze(&engine_of(&database, global)?).await?,
            Self::Reindex(args) => args.reindex(&engine_of(&database, global)?).await?,
            Self::Run(run) => run.run(&database, global).await?,
            Self::Status => scheduler::status(&database).await?,
        };
        database.close().await;
        Ok(report)
    }
}

async fn sessions(store: &dyn Store, batch: &BatchArgs, global: &Global) -> Result<Report> {
    let removed = remove_expired(store, &batch.sweep(global, "sessions and tokens")).await?;
    let (sessions, tokens) = (removed.sessions, removed.verification_tokens);
    let text = format!("deleted {sessions} sessions and {tokens} verification tokens");
    Ok(batch.report(json!({ "deleted": sessions, "verification_tokens": tokens }), text))
}

impl Usage {
    async fn run(&self, database: &Database, global: &Global) -> Result<Report> {
        let store = database.store();
        if self.reset {
            if !self.batch.dry_run {
                database.guard_destructive("reset the usage of all users").await?;
            }
            let reset = reset_usage(&*store, SystemEnv.now(), &self.batch.sweep(global, "users")).await?.users;
            let text = format!("archived and reset the usage of {reset} users");
            return Ok(self.batch.report(json!({ "archived": reset }), text));
        }
        let closed = close_usage(&*store, self.period, &self.batch.sweep(global, "billing periods")).await?.users;
        // A user who is months behind has several periods to close; a dry run counts this user once.
        let text = if self.batch.dry_run {
            format!("archived the billing periods of {closed} users")
        } else {
            format!("archived {closed} billing periods")
        };
        Ok(self.batch.report(json!({ "archived": closed }), text))
    }
}

impl Purge {
    async fn run(&self, store: &dyn Store, global: &Global) -> Result<Report> {
        let sweep = self.batch.sweep(global, "soft-deleted rows");
        let purged = purge_deleted(store, self.older_than, &sweep).await?;
        let (requests, tasks, own) = (purged.requests, purged.tasks, purged.own);
        let deleted = requests + tasks + own;
        let json = json!({ "deleted": deleted, "requests": requests, "tasks": tasks, "own": own });
        let tables = global.schema.tables().iter().filter(|table| table.soft_delete).map(|table| table.name);
        let tables = tables.collect::<Vec<_>>().join(", ");
        let rows = if own == 1 { "row" } else { "rows" };
        let text = if tables.is_empty() {
            format!("permanently deleted {requests} requests and {tasks} tasks")
        } else {
            format!("permanently deleted {requests} requests, {tasks} tasks and {own} {rows} of {tables}")
        };
        Ok(self.batch.report(json, text))
    }
}

impl UsageEvents {
    async fn run(&self, store: &dyn Store, global: &Global) -> Result<Report> {
        let sweep = self.batch.sweep(global, "usage events");
        let deleted = remove_usage_events(store, self.older_than, &sweep).await?;
        Ok(self.batch.report(json!({ "deleted": deleted }), format!("deleted {deleted} usage events")))
    }
}

impl BatchArgs {
    fn sweep(&self, global: &Global, what: &'static str) -> Sweep {
        Sweep { dry_run: self.dry_run, limit: self.limit, progress: progress::rows(global, what) }
    }

    fn report(&self, mut json: Value, text: String) -> Report {
        if !self.dry_run {
            return Report::new(json, text);
        }
        json["dry_run"] = true.into();
        Report::new(json, format!("would have {text}"))
    }
}

pub(super) fn age(text: &str) -> std::result::Result<Duration, &'static str> {
    const FORM: &str = "it must be a number with s, m, h or d, such as 30d";
    let unit = text.chars().next_back().ok_or(FORM)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(FORM),
    };
    let number: u64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| FORM)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or(FORM)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::age;

    #[test]
    fn an_age_is_a_number_with_its_unit() {
        assert_eq!(age("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        for text in ["", "30", "d", "-1d", "1.5h", "1w", "99999999999999999999d", "18446744073709551615d", "1é"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
