//! Migrations, drift, rights and the environment marker.

use std::time::Duration;

use rylie_maintenance::{BackupFolder, DoctorFacts, Outcome, Verdict};
use rylie_migration::{CheckStatus, Deviation, MigrationState, MigrationStatus, Migrations};

use super::{LOCK, Wanted, limited};
use crate::config::Config;

/// Most differences that are listed; `rylie drift` has all.
const MOST: usize = 20;

pub(super) async fn look(config: &Config, wanted: &Wanted<'_>, part: Duration, facts: &mut DoctorFacts) {
    let ids = ["application.migrations", "application.drift", "application.marker", "isolation.grants"];
    if !ids.iter().any(|id| wanted.has(id)) {
        return;
    }
    // Not by `migrations_to_read`, which refuses the wrong fingerprint that is to be reported.
    let opened = match config.direct_url() {
        Ok(_) if config.is_file_missing() => Err("the database was not reached".to_owned()),
        Ok(url) => {
            let own = config.schema().migrations();
            let open = async { Migrations::connect_to_read(url).await?.with_own(own).waiting_at_most(LOCK).await };
            limited(part, open).await
        }
        Err(error) => Err(error.to_string()),
    };
    let mut migrations = match opened {
        Ok(migrations) => migrations,
        Err(reason) => {
            for id in ids {
                facts.outcomes.insert(id, Outcome::not_checked(reason.clone()));
            }
            return;
        }
    };
    let status = limited(part, migrations.status()).await;
    let complete = status.as_ref().is_ok_and(|status| status.iter().all(is_fine));
    facts
        .outcomes
        .insert("application.migrations", status.map_or_else(Outcome::not_checked, |status| of_migrations(&status)));
    let marker = limited(part, migrations.mark()).await;
    let marker = match marker {
        Ok(mark) => of_marker(config, mark.map(|mark| mark.fingerprint)).await,
        Err(reason) => Outcome::not_checked(reason),
    };
    facts.outcomes.insert("application.marker", marker);
    if wanted.has("application.drift") {
        let drift = if complete {
            Box::pin(limited(part, migrations.drift()))
                .await
                .map_or_else(Outcome::not_checked, |drift| of_drift(&drift.differences))
        } else {
            Outcome::not_checked("migrations are pending, and explain most differences; see application.migrations")
        };
        facts.outcomes.insert("application.drift", drift);
    }
    if wanted.has("isolation.grants") {
        let checks = limited(part, migrations.check_roles()).await;
        let grants = checks.map(|checks| checks.into_iter().find(|check| check.id == "roles.grants"));
        let outcome = match grants {
            Err(reason) => Outcome::not_checked(reason),
            Ok(None) => return,
            Ok(Some(check)) if check.status == CheckStatus::Ok => Outcome::ok(check.detail),
            Ok(Some(check)) => Outcome::found(Verdict::Critical, "grants", check.detail),
        };
        facts.outcomes.insert("isolation.grants", outcome);
    }
}

fn is_fine(migration: &MigrationStatus) -> bool {
    matches!(migration.state, MigrationState::Applied | MigrationState::Unknown)
}

fn of_migrations(status: &[MigrationStatus]) -> Outcome {
    let applied = status.iter().filter(|migration| migration.state == MigrationState::Applied).count();
    let wrong = status.iter().filter(|migration| migration.state != MigrationState::Applied);
    wrong.fold(Outcome::ok(format!("{applied} migrations are applied")), |outcome, migration| {
        let level = match migration.state {
            MigrationState::Pending | MigrationState::Renamed | MigrationState::Unknown => Verdict::Warning,
            _ => Verdict::Critical,
        };
        let state = format!("{:?}", migration.state).to_lowercase();
        let detail =
            migration.detail.as_ref().map_or_else(|| format!("is {state}"), |detail| format!("is {state}: {detail}"));
        outcome.with(level, format!("migration {}", migration.name), detail)
    })
}

fn of_drift(differences: &[Deviation]) -> Outcome {
    let healthy = Outcome::ok("the schema matches the migrations");
    differences.iter().take(MOST).fold(healthy, |outcome, difference| {
        outcome.with(
            Verdict::Critical,
            difference.object.clone(),
            format!("expected {}, found {}", short(&difference.expected), short(&difference.found)),
        )
    })
}

fn short(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut short: String =
        text.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// Compares the fingerprint with the setting, else with that of the newest backup.
async fn of_marker(config: &Config, found: Option<String>) -> Outcome {
    let Some(found) = found else {
        return Outcome::found(
            Verdict::Critical,
            "table rylie_database",
            "the marker is missing, so guards refuse everything",
        );
    };
    if let Some(expected) = config.fingerprint() {
        return if expected == found {
            Outcome::ok("the fingerprint is that of the settings")
        } else {
            Outcome::found(
                Verdict::Critical,
                "table rylie_database",
                format!("the fingerprint is {found}, and the setting says {expected}"),
            )
        };
    }
    let newest = match config.backups().and_then(|place| BackupFolder::new(place).ok()) {
        Some(folder) => folder.readable().await.ok().and_then(|backups| backups.into_iter().next()),
        None => None,
    };
    match newest {
        Some(backup) if backup.manifest.fingerprint != found => {
            let detail =
                format!("the fingerprint is {found}, and the newest backup is of {}", backup.manifest.fingerprint);
            Outcome::found(Verdict::Critical, "table rylie_database", detail)
        }
        Some(_) => Outcome::ok("the fingerprint is that of the newest backup"),
        None => Outcome::not_checked(
            "there is nothing to compare the fingerprint with; set `fingerprint` to that of `rylie environment show`",
        ),
    }
}
