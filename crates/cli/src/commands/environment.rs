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
    /// Show the environment marker and the fingerprint: databases with the same fingerprint are copies
    #[command(after_help = "Example:\n  rylie environment show --json")]
    Show,
    Mark(SetMark),
}

/// Set the environment marker
///
/// In production nothing can be reverted or reset. Doing so anyway takes two steps, to prevent accidents: set the
/// marker to staging with a reason, then run the destructive command. Needs the table owner or a superuser. Each change
/// is recorded in the audit log.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    rylie environment mark production\n  \
    rylie environment mark staging --reason 'restored copy for the rehearsal'")]
pub(crate) struct SetMark {
    /// The environment
    environment: Name,
    /// The reason, for the audit log; required to leave production
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: Option<String>,
    /// Create a new fingerprint, which distinguishes this copy from its original
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
        "the database has no environment marker yet; run `rylie migrate deploy`, or `rylie adopt` if Prisma created it"
            .to_owned(),
    )
}

fn report(mark: &Mark) -> Report {
    let rows = [("environment", mark.environment.to_string()), ("fingerprint", mark.fingerprint.clone())];
    Report::new(json!(mark), table(rows))
}
