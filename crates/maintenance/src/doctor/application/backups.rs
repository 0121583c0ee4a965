//! Backups and their proof.

use chrono::{DateTime, Utc};

use crate::backup::ListedBackup;
use crate::doctor::data::BackupPoint;
use crate::doctor::report::{Limits, Outcome, Verdict};

/// Most backups of a report.
const MOST: usize = 50;

/// Returns the outcomes of `application.backup-age` and `application.backup-damage`, and the points of the timeline.
/// `limits`: of the age, in days.
#[must_use]
pub fn backup_outcomes(
    backups: &[ListedBackup],
    now: DateTime<Utc>,
    limits: &Limits,
) -> (Outcome, Outcome, Vec<BackupPoint>) {
    let problem_of = |listed: &ListedBackup| match &listed.backup {
        Err(problem) => Some(problem.clone()),
        Ok(_) if listed.certificate.is_some() && listed.verified().is_none() => {
            Some("changed since it was verified".to_owned())
        }
        Ok(_) => None,
    };
    let newest = backups.iter().filter_map(ListedBackup::verified).map(|backup| backup.manifest.made_at).max();
    let age = match newest {
        None => {
            let damaged = backups.iter().find(|listed| problem_of(listed).is_some());
            let object = damaged.map_or_else(|| "backups".to_owned(), |listed| format!("backup {}", listed.id));
            Outcome::found(Verdict::Critical, object, format!("none of {} backups is verified", backups.len()))
        }
        Some(made) => {
            #[expect(clippy::cast_precision_loss, reason = "days")]
            let days = (now - made).num_minutes() as f64 / 1_440.0;
            let detail = format!("the newest verified backup is of {}, {days:.1} days old", made.format("%F %T"));
            if days >= limits.critical {
                Outcome::found(Verdict::Critical, "backups", detail)
            } else if days >= limits.warning {
                Outcome::found(Verdict::Warning, "backups", detail)
            } else {
                Outcome::ok(detail)
            }
        }
    };
    let mut damage = Outcome::ok(format!(
        "{} backups have all files in their sizes; `--deep` reads the newest, `rylie backup verify` any",
        backups.len()
    ));
    for listed in backups {
        let Some(problem) = problem_of(listed) else { continue };
        damage = damage.with(Verdict::Warning, format!("backup {}", listed.id), problem);
    }
    if backups.is_empty() {
        damage = Outcome::not_checked("there is no backup");
    }
    let points = backups.iter().take(MOST).map(|listed| BackupPoint {
        id: listed.id.clone(),
        made_at: listed.backup.as_ref().ok().map(|backup| backup.manifest.made_at),
        verified_at: listed.certificate.as_ref().map(|certificate| certificate.verified_at),
        bytes: listed.backup.as_ref().map(|backup| backup.manifest.bytes()).unwrap_or_default(),
    });
    (age, damage, points.collect())
}
