//! Migrations, drift, rights and the environment marker.

use std::time::Duration;

use rylie_maintenance::{BackupFolder, DoctorFacts, Outcome, Verdict, WHOLE_DATABASE};
use rylie_migration::{CheckStatus, Deviation, MigrationState, MigrationStatus, Migrations, RoleCheck};

use super::{LOCK, Wanted, limited};
use crate::config::Config;

/// Most lines of differences; `rylie drift` has all.
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
    let complete = status.as_ref().is_ok_and(|status| !status.iter().any(is_open));
    let not_ours = limited(part, not_ours(&mut migrations)).await.ok().flatten();
    facts.outcomes.insert(
        "application.migrations",
        match (not_ours, status) {
            (Some(found), _) => found,
            (None, status) => status.map_or_else(Outcome::not_checked, |status| of_migrations(&status)),
        },
    );
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
            Outcome::not_checked(
                "migrations are not complete, and explain most differences; see application.migrations",
            )
        };
        facts.outcomes.insert("application.drift", drift);
    }
    if wanted.has("isolation.grants") {
        let checks = limited(part, migrations.check_roles()).await;
        let outcome = checks.map_or_else(|reason| Some(Outcome::not_checked(reason)), of_grants);
        facts.outcomes.extend(outcome.map(|outcome| ("isolation.grants", outcome)));
    }
}

/// Rights on our tables that the migrations do not grant, and rights past row-level security. None on SQLite.
fn of_grants(checks: Vec<RoleCheck>) -> Option<Outcome> {
    let mut checks = checks.into_iter().filter(|check| ["roles.grants", "roles.old_rights"].contains(&check.id));
    let first = checks.next()?;
    Some(
        checks.chain([first]).filter(|check| check.status != CheckStatus::Ok).fold(
            Outcome::ok("no role has a right on our tables that the migrations do not grant"),
            |outcome, check| outcome.with(Verdict::Critical, "grants", check.detail).fixed_by(check.fix, "none"),
        ),
    )
}

/// Returns a finding if the schema is not ours at all: every other one follows from it.
async fn not_ours(migrations: &mut Migrations) -> rylie_migration::Result<Option<Outcome>> {
    if migrations.mark().await?.is_some() {
        return Ok(None);
    }
    let found = |detail: String, fix: &str| {
        Some(Outcome::found(Verdict::Critical, WHOLE_DATABASE, detail).fixed_by(fix, "none"))
    };
    if migrations.needs_adoption().await? {
        let detail =
            "it has tables of the base that no migration created: Prisma made it, or it is another application's";
        return Ok(found(detail.to_owned(), "check database_url; then rylie adopt --dry-run, and rylie adopt"));
    }
    let applied = migrations.status().await?.iter().any(|migration| migration.state != MigrationState::Pending);
    Ok(match migrations.first_table().await? {
        _ if applied => None,
        Some(table) => {
            found(format!("it belongs to another application: it has the table {table}"), "check database_url")
        }
        None => found("it is empty".to_owned(), "check database_url; then rylie migrate deploy"),
    })
}

/// Whether the schema may lack what the migration creates.
fn is_open(migration: &MigrationStatus) -> bool {
    use MigrationState::{Failed, InDoubt, Inserted, Missing, Pending};
    matches!(migration.state, Pending | Failed | InDoubt | Inserted | Missing)
}

/// `rylie migrate deploy` refuses every other state than these two.
fn fix_of(migration: &MigrationStatus) -> String {
    match migration.state {
        MigrationState::Pending | MigrationState::Failed => "rylie migrate deploy".to_owned(),
        MigrationState::Unknown => format!("use the version of the program that applied {}", migration.name),
        _ => format!(
            "restore the file of {0}; or, if the schema contains it, rylie migrate resolve {0} --applied --reason TEXT",
            migration.name
        ),
    }
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
        let outcome = outcome.with(level, format!("migration {}", migration.name), detail);
        outcome.fixed_by(fix_of(migration), "as `rylie migrate plan` shows")
    })
}

fn of_drift(differences: &[Deviation]) -> Outcome {
    let healthy = Outcome::ok("the schema matches the migrations");
    let listed = differences.iter().take(MOST - 1).fold(healthy, |outcome, difference| {
        outcome.with(
            Verdict::Critical,
            difference.object.clone(),
            format!("expected {}, found {}", short(&difference.expected), short(&difference.found)),
        )
    });
    // What is not listed has no other cause.
    match differences.len().saturating_sub(MOST - 1) {
        0 => listed,
        more => listed.with(Verdict::Critical, "schema", format!("{more} more differences; `rylie drift` lists them")),
    }
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
