//! Jobs, backups, alerts and growth.

use std::time::Duration;

use chrono::TimeDelta;
use rylie_maintenance::{
    BackupFolder, DoctorFacts, ListedBackup, Outcome, SchedulerOptions, SizePoint, Verdict, alert_target_outcome,
    backup_outcomes, growth as grown, job_outcomes, pretty_bytes, reach,
};

use super::{Wanted, limited};
use crate::config::Config;
use crate::database::Database;
use crate::error::Result;

async fn listed(config: &Config, place: &str) -> Result<Vec<ListedBackup>> {
    let trusted = config.known_audit_keys()?;
    Ok(BackupFolder::new(place)?.list(&trusted).await?)
}

/// Backups and targets of alerts, which need no database.
pub(super) async fn files(config: &Config, wanted: &Wanted<'_>, facts: &mut DoctorFacts) {
    let (age, damage) = ("application.backup-age", "application.backup-damage");
    if wanted.has(age) || wanted.has(damage) {
        let listed = match config.backups() {
            None => None,
            Some(place) => Some(listed(config, place).await),
        };
        let (aged, damaged) = match listed {
            None => {
                let reason = "no folder of backups is configured; set `backups`";
                (Outcome::not_checked(reason), Outcome::not_checked(reason))
            }
            Some(Err(error)) => {
                let reason = super::in_words(&error);
                (Outcome::found(Verdict::Critical, "backups", reason.clone()), Outcome::not_checked(reason))
            }
            Some(Ok(backups)) => {
                let (aged, mut damaged, points) = backup_outcomes(&backups, facts.at, &wanted.limit(age));
                facts.data.backups = points;
                if wanted.options.deep {
                    damaged = read_newest(&backups, damaged).await;
                }
                (aged, damaged)
            }
        };
        facts.outcomes.insert(age, aged);
        facts.outcomes.insert(damage, damaged);
    }
    if wanted.has("application.alert-targets") {
        let targets = reach(&config.maintenance.size_notify).await;
        facts.outcomes.insert("application.alert-targets", alert_target_outcome(&targets));
    }
}

/// Reads every byte of the newest verified backup. Its certificate says what it was, not what it is.
async fn read_newest(backups: &[ListedBackup], damaged: Outcome) -> Outcome {
    let newest = backups.iter().filter_map(ListedBackup::verified).max_by_key(|backup| backup.manifest.made_at);
    let Some(backup) = newest else { return damaged };
    let reason = match backup.check_files().await {
        Ok(check) if !check.is_failed() => return damaged,
        Ok(check) => check.detail,
        Err(error) => super::in_words(&error),
    };
    damaged.with(Verdict::Critical, format!("backup {}", backup.manifest.id), reason)
}

/// The log in the repository of pgBackRest.
async fn stanza(config: &Config, part: Duration) -> Outcome {
    match Box::pin(limited(part, config.watch_pgbackrest())).await {
        Err(reason) => Outcome::not_checked(reason),
        Ok(status) => {
            let newest = status.last_wal.as_deref().unwrap_or("none");
            let fine = Outcome::ok(format!("the newest segment in the repository is {newest}"));
            let object = format!("stanza {}", config.pitr_stanza().unwrap_or_default());
            status
                .problems
                .iter()
                .fold(fine, |outcome, problem| outcome.with(Verdict::Critical, object.clone(), problem.clone()))
        }
    }
}

/// The log that point-in-time recovery needs.
pub(super) async fn wal(config: &Config, wanted: &Wanted<'_>, part: Duration, facts: &mut DoctorFacts) {
    const ID: &str = "application.wal-arriving";
    if !wanted.has(ID) || config.url.starts_with("sqlite:") {
        return;
    }
    if config.pitr_stanza().is_some() {
        facts.outcomes.insert(ID, stanza(config, part).await);
        return;
    }
    let outcome = match config.pitr_folder(None) {
        Err(_) => {
            Outcome::not_checked("no folder of the write-ahead log is configured; set `pitr_folder` or `pitr_stanza`")
        }
        Ok(folder) => {
            let looking = config.pitr_status(&folder, Duration::from_secs(1), config.pitr_alert_after());
            match Box::pin(limited(part, looking)).await {
                Err(reason) => Outcome::not_checked(reason),
                Ok(status) => {
                    let arrived =
                        status.last_wal_at.map_or_else(|| "never".to_owned(), |at| at.format("%F %T").to_string());
                    status.findings.iter().fold(
                        Outcome::ok(format!("the log arrived at {arrived}")),
                        |outcome, found| {
                            // The slot without a reader is a finding of the server, too, and has this cause.
                            let object = match found.id.as_str() {
                                "receiver" | "slot" => format!("slot {}", config.pitr.slot),
                                id => id.to_owned(),
                            };
                            outcome.with(Verdict::Critical, object, found.detail.clone())
                        },
                    )
                }
            }
        }
    };
    facts.outcomes.insert(ID, outcome);
}

pub(super) async fn jobs(database: &Database, wanted: &Wanted<'_>, part: Duration, facts: &mut DoctorFacts) {
    const ID: &str = "application.jobs-late";
    if !wanted.has(ID) {
        return;
    }
    let scheduler = match database.scheduler(Vec::new(), SchedulerOptions::default()) {
        Ok(scheduler) => scheduler,
        Err(error) => {
            facts.outcomes.insert(ID, Outcome::not_checked(super::in_words(&error)));
            return;
        }
    };
    let outcome = match limited(part, scheduler.status()).await {
        Ok(status) => {
            let (outcome, points) = job_outcomes(&status);
            facts.data.jobs = points;
            outcome
        }
        Err(reason) => Outcome::not_checked(reason),
    };
    facts.outcomes.insert(ID, outcome);
}

/// Growth over the last 30 days, and the days until the disk is full.
pub(super) async fn growth(database: &Database, wanted: &Wanted<'_>, facts: &mut DoctorFacts) {
    let (fast, full) = ("tables.growth", "tables.disk-full");
    if !wanted.has(fast) && !wanted.has(full) {
        return;
    }
    let history = limited(super::PART, grown(&*database.store(), facts.at - TimeDelta::days(30))).await;
    let growth = match history {
        Ok(growth) => growth,
        Err(reason) => {
            facts.outcomes.insert(fast, Outcome::not_checked(reason.clone()));
            facts.outcomes.insert(full, Outcome::not_checked(reason));
            return;
        }
    };
    facts.data.growth = growth.history.iter().map(|past| SizePoint { at: past.at, bytes: past.bytes }).collect();
    let (Some(first), Some(last), Some(a_day)) = (growth.history.first(), growth.history.last(), growth.bytes_per_day)
    else {
        let reason = "there is no history of a day; run the job `size`, or `rylie size --keep` once a day";
        facts.outcomes.insert(fast, Outcome::not_checked(reason));
        facts.outcomes.insert(full, Outcome::not_checked(reason));
        return;
    };
    let limits = wanted.limit(fast);
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let percent = a_day as f64 * 30.0 * 100.0 / first.bytes.max(1) as f64;
    let detail =
        format!("{} a day, from {} to {}", pretty_bytes(a_day), pretty_bytes(first.bytes), pretty_bytes(last.bytes));
    facts.outcomes.insert(fast, leveled(percent >= limits.critical, percent >= limits.warning, "database", detail));
    let Some(capacity) = wanted.options.disk_capacity else {
        facts.outcomes.insert(
            full,
            Outcome::not_checked("the size of the disk is not known; set doctor.disk_capacity, or --disk-capacity"),
        );
        return;
    };
    if a_day <= 0 {
        facts.outcomes.insert(full, Outcome::ok("the database does not grow"));
        return;
    }
    let days = (capacity - last.bytes).max(0) / a_day;
    facts.data.days_until_full = Some(days);
    let limits = wanted.limit(full);
    #[expect(clippy::cast_precision_loss, reason = "days")]
    let left = days as f64;
    let detail = format!("full in {days} days at {} a day", pretty_bytes(a_day));
    facts.outcomes.insert(full, leveled(left <= limits.critical, left <= limits.warning, "disk", detail));
}

fn leveled(critical: bool, warning: bool, object: &str, detail: String) -> Outcome {
    match (critical, warning) {
        (true, _) => Outcome::found(Verdict::Critical, object, detail),
        (_, true) => Outcome::found(Verdict::Warning, object, detail),
        _ => Outcome::ok(detail),
    }
}
