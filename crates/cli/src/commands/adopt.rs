//! `rylie adopt`

use clap::Args;
use rylie_db::migration::{AdoptOptions, Adoption, Difference, Error};
use serde_json::json;

use super::{migrations, migrations_to_read};
use crate::arguments::Global;
use crate::failure::Result;
use crate::progress;
use crate::report::Report;

/// Take over a PostgreSQL database that Prisma made
///
/// Compares it with what Prisma makes, and names every difference. A database that is something else is left untouched
/// (exit code 4). Otherwise the base is recorded, the database marked as production, and the additions applied with
/// short locks, while the old service goes on working. Unknown tables and columns stay. Run twice, it does nothing.
/// The old service sees every row, as it logs in as the tables' owner, until `--finish`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie adopt --dry-run")]
pub(crate) struct Adopt {
    /// Compare and count, change nothing
    #[arg(long)]
    dry_run: bool,

    /// Once the old service is gone for good: row-level security binds the tables' owner too
    #[arg(long, conflicts_with = "dry_run")]
    finish: bool,
}

impl Adopt {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        if self.finish {
            return finish(global).await;
        }
        let options = AdoptOptions { dry_run: self.dry_run };
        let mut migrations = if self.dry_run { migrations_to_read(global).await? } else { migrations(global).await? };
        match migrations.adopt(options, &mut progress::lines(global)).await {
            Ok(adoption) => Ok(Report::new(json!(adoption), in_words(&adoption, self.dry_run))),
            Err(error) => refused(error),
        }
    }
}

async fn finish(global: &Global) -> Result<Report> {
    let finished = migrations(global).await?.finish_adoption(&mut progress::lines(global)).await?;
    let text = if finished {
        "the adoption is finished: row-level security binds the tables' owner too"
    } else {
        "nothing to do: the adoption is finished"
    };
    Ok(Report::new(json!({ "finished": finished }), text))
}

/// The differences are what the command was run for, so they are its output; tables and rows were not counted.
fn refused(error: Error) -> Result<Report> {
    let Error::NotTheBase { differences } = &error else { return Err(error.into()) };
    let adoption = Adoption { differences: differences.clone(), ..Adoption::default() };
    let report = Report::new(json!(adoption), differences.iter().map(line).collect::<Vec<_>>().join("\n"));
    Ok(report.with_verdict(Some(error.into())))
}

fn in_words(adoption: &Adoption, dry_run: bool) -> String {
    let rows: u64 = adoption.tables.values().sum();
    let mut lines = vec![format!("{} tables with {rows} rows", adoption.tables.len())];
    lines.extend(adoption.differences.iter().map(line));
    lines.extend(adoption.extra.iter().map(|extra| format!("left alone: {extra}")));
    let (verb, names) = if dry_run { ("would apply", &adoption.pending) } else { ("applied", &adoption.applied) };
    lines.extend(names.iter().map(|name| format!("{verb} {name}")));
    if names.is_empty() {
        lines.push("nothing to do: it is adopted".to_owned());
    }
    if let Some(reason) = adoption.missing_wall.as_ref().filter(|_| !dry_run) {
        lines.push(format!("row-level security is not in force for the service's units: {reason}"));
    }
    lines.join("\n")
}

fn line(difference: &Difference) -> String {
    format!("{}: {difference}", if difference.blocking { "in the way" } else { "harmless" })
}
