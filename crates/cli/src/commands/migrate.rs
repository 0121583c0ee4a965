//! `rylie migrate`

mod lint;
mod new;
mod plan;
mod resolve;
mod squash;

use clap::{Args, Subcommand};
use rylie_db::migration::{DeployProgress, MigrationState, MigrationStatus};
use serde_json::json;

use super::{migrations, migrations_or_new, migrations_to_read};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::{Report, list, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie migrate deploy")]
pub(crate) enum Migrate {
    /// Apply the pending migrations
    ///
    /// Any number of processes can run it concurrently; one of them applies each migration. After a failure or a kill,
    /// the next run continues at the interrupted step. Refused (4) if the applied migrations differ from this
    /// version's.
    #[command(after_help = "Example:\n  rylie migrate deploy --database-url postgres://rylie@localhost/rylie")]
    Deploy,

    /// Show every migration and its state; exit code 3 unless all are applied
    #[command(after_help = "Example:\n  rylie migrate status --json")]
    Status,

    Resolve(resolve::Resolve),
    Squash(squash::Squash),

    /// Revert the newest migrations; refused in production
    #[command(after_help = "Example:\n  rylie migrate down --steps 2")]
    Down(Down),

    /// Revert and reapply all migrations: all data is lost; refused in production
    #[command(after_help = "Example:\n  rylie migrate reset --force")]
    Reset(Reset),

    New(new::New),
    Plan(plan::Plan),
    Lint(lint::Lint),
}

#[derive(Args, Debug)]
pub(crate) struct Down {
    /// The number of migrations
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
}

#[derive(Args, Debug)]
pub(crate) struct Reset {
    /// Confirm the deletion of all data
    #[arg(long)]
    force: bool,
}

impl Migrate {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        match self {
            Self::Deploy => deploy(global).await,
            Self::Status => status(global).await,
            Self::Resolve(resolve) => resolve.run(global).await,
            Self::Squash(squash) => squash.run(global),
            Self::Down(down) => down.run(global).await,
            Self::Reset(reset) => reset.run(global).await,
            Self::New(new) => new.run(global),
            Self::Plan(plan) => plan.run(global).await,
            Self::Lint(lint) => lint.run(),
        }
    }
}

async fn deploy(global: &Global) -> Result<Report> {
    let (mut restored, mut lines) = (None, progress::lines(global));
    let mut listen = |progress: DeployProgress<'_>| {
        if let DeployProgress::RestoringRowSecurity { missing } = progress {
            restored = Some(missing.to_owned());
        }
        lines(progress);
    };
    let applied = migrations_or_new(global).await?.deploy(&mut listen).await?;
    let text = list("applied", &applied, "nothing to do: every migration is applied");
    Ok(match restored {
        Some(missing) => {
            let text = if applied.is_empty() { "every migration is applied" } else { &text };
            let text = format!("{text}\nrestored row-level security; found before: {missing}");
            Report::new(json!({ "applied": applied, "restored": missing }), text)
        }
        None => Report::new(json!({ "applied": applied }), text),
    })
}

async fn status(global: &Global) -> Result<Report> {
    let mut migrations = migrations_to_read(global).await?;
    let status = migrations.status().await?;
    let rows = status.iter().map(|migration| (migration.name.as_str(), in_words(migration)));
    let report = Report::new(json!({ "migrations": status }), table(rows));
    let prismas = migrations.needs_adoption().await?;
    Ok(report.with_verdict(verdict(&status, prismas)))
}

fn in_words(migration: &MigrationStatus) -> String {
    let word = word(migration.state);
    migration.detail.as_ref().map_or(word.to_owned(), |detail| format!("{word} ({detail})"))
}

fn word(state: MigrationState) -> &'static str {
    match state {
        MigrationState::Applied => "applied",
        MigrationState::Pending => "pending",
        MigrationState::Failed => "failed",
        MigrationState::InDoubt => "in doubt",
        MigrationState::Edited => "edited",
        MigrationState::Missing => "missing",
        MigrationState::Inserted => "inserted",
        MigrationState::Renamed => "renamed",
        _ => "unknown",
    }
}

/// Returns the most urgent problem with its remedy.
fn verdict(status: &[MigrationStatus], prismas: bool) -> Option<Failure> {
    use MigrationState::{Applied, Failed, Pending, Unknown};
    let count = |state| status.iter().filter(|migration| migration.state == state).count();
    let (pending, failed, unknown) = (count(Pending), count(Failed), count(Unknown));
    let altered = status.iter().find(|migration| !matches!(migration.state, Applied | Failed | Pending | Unknown));
    let text = if prismas {
        "Prisma created this database; run `rylie adopt --dry-run`, then `rylie adopt`".to_owned()
    } else if let Some(migration) = altered {
        let (name, state) = (&migration.name, word(migration.state));
        format!("{name} is {state}; `rylie migrate deploy` shows what to do, and changes nothing")
    } else if failed > 0 {
        format!("unfinished migrations: {failed}; run `rylie migrate deploy`, which continues at the interrupted step")
    } else if pending > 0 {
        format!("pending migrations: {pending}; run `rylie migrate deploy`")
    } else if unknown > 0 {
        let of_a_service =
            |migration: &MigrationStatus| migration.state == Unknown && migration.name.starts_with("own_");
        if status.iter().any(of_a_service) {
            format!("migrations unknown to this command: {unknown}; use the command of the service that has them")
        } else {
            format!("migrations unknown to this version: {unknown}; use the version that applied them")
        }
    } else {
        return None;
    };
    Some(Failure::Found(text))
}

impl Down {
    async fn run(&self, global: &Global) -> Result<Report> {
        let steps = usize::try_from(self.steps).unwrap_or(usize::MAX);
        let reverted = migrations(global).await?.down(steps, &mut progress::lines(global)).await?;
        let text = list("reverted", &reverted, "nothing to do: no migration is applied");
        Ok(Report::new(json!({ "reverted": reverted }), text))
    }
}

impl Reset {
    async fn run(&self, global: &Global) -> Result<Report> {
        if !self.force {
            return Err(Failure::Refused(
                "a reset deletes all data of the database; run `rylie migrate reset --force` to confirm it".to_owned(),
            ));
        }
        let applied = migrations_or_new(global).await?.reset(&mut progress::lines(global)).await?;
        Ok(Report::new(json!({ "applied": applied }), list("applied", &applied, "no migration to apply")))
    }
}
