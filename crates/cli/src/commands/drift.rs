//! `rylie drift`

use clap::Args;
use rylie_db::migration::{Deviation, Drift as Found};
use serde_json::json;

use super::migrations_to_read;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Compare the live schema with the one that the migrations create; exit code 3 if it differs
///
/// Compares tables, columns, types, defaults, indexes, constraints, policies, forced policies, rights, triggers,
/// functions and enum labels. Each difference shows what is expected, what was found, and the statements that fix it;
/// nothing is changed. Objects of other origin are listed as extra and are no difference. Exceptions are a policy, a
/// trigger, a rule and a right of PUBLIC, which change what others see or do.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie drift --json | jq -r '.differences[].fix[]'")]
pub(crate) struct Drift {}

impl Drift {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let mut migrations = migrations_to_read(global).await?;
        let found = migrations.drift().await?;
        let unadopted = !found.pending.is_empty() && migrations.needs_adoption().await?;
        let first = if unadopted { "rylie adopt" } else { "rylie migrate deploy" };
        Ok(Report::new(json!(found), in_words(&found)).with_verdict(verdict(&found, first)))
    }
}

fn in_words(found: &Found) -> String {
    let mut lines: Vec<String> = found.pending.iter().map(|name| format!("pending: {name}")).collect();
    lines.extend(found.differences.iter().map(difference));
    lines.extend(found.extra.iter().map(|extra| format!("extra, left alone: {extra}")));
    if found.pending.is_empty() && found.differences.is_empty() {
        lines.push("the schema matches the migrations".to_owned());
    }
    lines.join("\n")
}

fn difference(deviation: &Deviation) -> String {
    let mut lines = vec![deviation.to_string()];
    lines.extend(deviation.note.map(|note| format!("  note: {note}")));
    lines.extend(deviation.fix.iter().map(|sql| format!("  fix: {sql};")));
    lines.join("\n")
}

/// `first`: the command that applies pending migrations.
fn verdict(found: &Found, first: &str) -> Option<Failure> {
    if !found.pending.is_empty() {
        let count = found.pending.len();
        return Some(Failure::Found(format!("pending migrations: {count}; run `{first}` first, then compare")));
    }
    let count = found.differences.len();
    (count > 0).then(|| Failure::Found(format!("differences: {count}; each lists its fix")))
}
