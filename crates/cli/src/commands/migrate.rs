//! `rylie migrate`

mod lint;
mod new;
mod plan;

use clap::{Args, Subcommand};
use rylie_db::migration::{MigrationState, MigrationStatus};
use serde_json::json;

use super::migrations;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::{Report, list, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie migrate deploy")]
pub(crate) enum Migrate {
    /// Apply the pending migrations
    ///
    /// Any number of processes may do it at once; each migration is applied by one of them. A failed one resumes when
    /// the command is run again.
    #[command(after_help = "Example:\n  rylie migrate deploy --database-url postgres://rylie@localhost/rylie")]
    Deploy,

    /// Show every migration and how it stands; exit code 3 unless all are applied
    #[command(after_help = "Example:\n  rylie migrate status --json")]
    Status,

    /// Take back the newest migrations; refused in production
    #[command(after_help = "Example:\n  rylie migrate down --steps 2")]
    Down(Down),

    /// Take back everything and apply it again: all data is lost; refused in production
    #[command(after_help = "Example:\n  rylie migrate reset --force")]
    Reset(Reset),

    New(new::New),
    Plan(plan::Plan),
    Lint(lint::Lint),
}

#[derive(Args, Debug)]
pub(crate) struct Down {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
}

#[derive(Args, Debug)]
pub(crate) struct Reset {
    /// Yes, delete all data
    #[arg(long)]
    force: bool,
}

impl Migrate {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        match self {
            Self::Deploy => deploy(global).await,
            Self::Status => status(global).await,
            Self::Down(down) => down.run(global).await,
            Self::Reset(reset) => reset.run(global).await,
            Self::New(new) => new.run(),
            Self::Plan(plan) => plan.run(global).await,
            Self::Lint(lint) => lint.run(),
        }
    }
}

async fn deploy(global: &Global) -> Result<Report> {
    let applied = migrations(global).await?.deploy(&mut progress::lines(global)).await?;
    let text = list("applied", &applied, "nothing to do: every migration is applied");
    Ok(Report::new(json!({ "applied": applied }), text))
}

async fn status(global: &Global) -> Result<Report> {
    let status = migrations(global).await?.status().await?;
    let rows = status.iter().map(|migration| (migration.name.as_str(), word(migration.state).to_owned()));
    let report = Report::new(json!({ "migrations": status }), table(rows));
    Ok(report.with_verdict(verdict(&status)))
}

fn word(state: MigrationState) -> &'static str {
    match state {
        MigrationState::Applied => "applied",
        MigrationState::Pending => "pending",
        _ => "unknown",
    }
}

fn verdict(status: &[MigrationStatus]) -> Option<Failure> {
    let count = |state| status.iter().filter(|migration| migration.state == state).count();
    let (applied, pending) = (count(MigrationState::Applied), count(MigrationState::Pending));
    if pending > 0 {
        return Some(Failure::Found(format!("pending migrations: {pending}; run `rylie migrate deploy`")));
    }
    (applied < status.len()).then(|| {
        let unknown = status.len() - applied;
        Failure::Found(format!("migrations unknown to this version: {unknown}; use the version that applied them"))
    })
}

impl Down {
    async fn run(&self, global: &Global) -> Result<Report> {
        let steps = usize::try_from(self.steps).unwrap_or(usize::MAX);
        let reverted = migrations(global).await?.down(steps, &mut progress::lines(global)).await?;
        let text = list("took back", &reverted, "nothing to do: no migration is applied");
        Ok(Report::new(json!({ "reverted": reverted }), text))
    }
}

impl Reset {
    async fn run(&self, global: &Global) -> Result<Report> {
        if !self.force {
            return Err(Failure::Refused(
                "a reset deletes all data of the database; run `rylie migrate reset --force` if you mean it".to_owned(),
            ));
        }
        let applied = migrations(global).await?.reset(&mut progress::lines(global)).await?;
        Ok(Report::new(json!({ "applied": applied }), list("applied", &applied, "no migration to apply")))
    }
}
