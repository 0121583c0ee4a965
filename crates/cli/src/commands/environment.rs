//! `rylie environment`

use clap::{Args, Subcommand, ValueEnum};
use rylie_db::migration::{self, Mark};
use serde_json::json;

use super::{migrations, migrations_to_read};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie environment show")]
pub(crate) enum Environment {
    /// Show the mark and the fingerprint: databases with one fingerprint are copies
    #[command(after_help = "Example:\n  rylie environment show --json")]
    Show,
    Mark(SetMark),
}

/// Mark what the database is used for
///
/// In production nothing is taken back or reset. To do so all the same takes two steps, so that no single slip can: mark
/// it as staging, saying why, and then run the destructive command. Takes the tables' owner or a superuser. Each change goes
/// into the audit log.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    rylie environment mark production\n  \
    rylie environment mark staging --reason 'restored copy for the rehearsal'")]
pub(crate) struct SetMark {
    /// What it is used for
    environment: Name,
    /// Why, for the audit log; needed to take the mark production away
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: Option<String>,
    /// Give it a fingerprint of its own: it is a copy, not to be taken for the original
    #[arg(long)]
    new_fingerprint: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    Production,
    Staging,
    Development,
}

impl From<Name> for migration::Environment {
    fn from(name: Name) -> Self {
        match name {
            Name::Production => Self::Production,
            Name::Staging => Self::Staging,
            Name::Development => Self::Development,
        }
    }
}

impl Environment {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let mark = migrations_to_read(global).await?.mark().await?.ok_or_else(no_mark)?;
        let Self::Mark(wanted) = self else { return Ok(report(&mark)) };
        let mut migrations = migrations(global).await?;
        let mut marked = migrations.mark_environment(wanted.environment.into(), wanted.reason.as_deref()).await?;
        if wanted.new_fingerprint {
            marked = migrations.renew_fingerprint().await?;
        }
        Ok(report(&marked))
    }
}

fn no_mark() -> Failure {
    Failure::NotReady(
        "the database has no mark yet; run `rylie migrate deploy`, or `rylie adopt` if Prisma made it".to_owned(),
    )
}

fn report(mark: &Mark) -> Report {
    let rows = [("environment", mark.environment.to_string()), ("fingerprint", mark.fingerprint.clone())];
    Report::new(json!(mark), table(rows))
}
