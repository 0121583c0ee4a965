//! `rylie drift`

use clap::Args;
use rylie_db::migration::{Deviation, Drift as Found};
use serde_json::json;

use super::migrations_to_read;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Compare the live schema with what the migrations make; exit code 3 if it differs
///
/// Tables, columns, types, defaults, indexes, constraints, policies, the forced flag, rights, triggers, functions, enum labels. Each difference says
/// what is expected, what was found, and the statements that mend it; nothing is changed. What somebody added beside ours is listed as extra
/// and is no difference, unless it changes what others see or do: a policy, a trigger, a rule, a right of PUBLIC.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie drift --json | jq -r '.differences[].fix[]'")]
pub(crate) struct Drift {}

impl Drift {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let found = migrations_to_read(global).await?.drift().await?;
        Ok(Report::new(json!(found), in_words(&found)).with_verdict(verdict(&found)))
    }
}

fn in_words(found: &Found) -> String {
    let mut lines: Vec<String> = found.pending.iter().map(|name| format!("pending: {name}")).collect();
    lines.extend(found.differences.iter().map(difference));
    lines.extend(found.extra.iter().map(|extra| format!("extra, left alone: {extra}")));
    if found.pending.is_empty() && found.differences.is_empty() {
        lines.push("the schema is as the migrations make it".to_owned());
    }
    lines.join("\n")
}

fn difference(deviation: &Deviation) -> String {
    let mut lines = vec![deviation.to_string()];
    lines.extend(deviation.note.map(|note| format!("  mind: {note}")));
    lines.extend(deviation.fix.iter().map(|sql| format!("  mend: {sql};")));
    lines.join("\n")
}

fn verdict(found: &Found) -> Option<Failure> {
    if !found.pending.is_empty() {
        let count = found.pending.len();
        return Some(Failure::Found(format!(
            "pending migrations: {count}; run `rylie migrate deploy` first, then compare"
        )));
    }
    let count = found.differences.len();
    (count > 0).then(|| Failure::Found(format!("differences: {count}; each names what mends it")))
}
