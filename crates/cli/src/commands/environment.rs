//! `rylie environment`

use clap::{Args, Subcommand, ValueEnum};
use rylie_db::migration::{self, Mark};
use serde_json::json;

use super::migrations;
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
/// it as staging, saying why, and then run the destructive command.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    rylie environment mark production\n  \
    rylie environment mark staging --reason 'restored copy for the rehearsal'")]
pub(crate) struct SetMark {
    /// What it is used for
    environment: Name,
    /// Why; needed to take the mark production away (it will go into the audit log, and goes nowhere yet)
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: Option<String>,
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
        let mut migrations = migrations(global).await?;
        let mark = migrations.mark().await?.ok_or_else(no_mark)?;
        let Self::Mark(wanted) = self else { return Ok(report(&mark)) };

        let environment = wanted.environment.into();
        wanted.may_replace(&mark)?;
        if !migrations.mark_environment(environment).await? {
            return Err(no_mark());
        }
        Ok(report(&Mark { environment, ..mark }))
    }
}

impl SetMark {
    fn may_replace(&self, mark: &Mark) -> Result<()> {
        let production = migration::Environment::Production;
        let leaves = mark.environment == production && production != self.environment.into();
        let reasoned = self.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
        if !leaves || reasoned {
            return Ok(());
        }
        Err(Failure::Refused(
            "this database is marked as production; to run a destructive command on it takes two steps: \
             `rylie environment mark staging --reason TEXT`, then that command"
                .to_owned(),
        ))
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
