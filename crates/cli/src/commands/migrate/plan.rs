//! `rylie migrate plan`

use clap::Args;
use rylie_db::lint::{Blocks, Planned, plan};
use serde_json::json;

use crate::arguments::Global;
use crate::commands::migrations_to_read;
use crate::failure::Result;
use crate::report::Report;

/// Show the statements that `deploy` would send, with their locks and rewrites; changes nothing
///
/// Needs only the right to read which migrations are applied. On SQLite each migration takes the file's one write lock.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie migrate plan --json | jq '.statements[] | select(.rewrites)'")]
pub(crate) struct Plan {
    /// Show whole statements, not only their beginnings
    #[arg(long)]
    full: bool,
}

impl Plan {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let planned = plan(&mut migrations_to_read(global).await?).await?;
        let text = self.in_words(&planned);
        Ok(Report::new(json!({ "statements": planned }), text))
    }

    fn in_words(&self, planned: &[Planned]) -> String {
        if planned.is_empty() {
            return "nothing to do: every migration is applied".to_owned();
        }
        let width = planned.iter().map(|one| one.lock.len()).max().unwrap_or_default();
        let mut lines = Vec::new();
        let mut migration = "";
        for one in planned {
            if one.migration != migration {
                migration = one.migration;
                let how = if one.in_transaction { "one transaction" } else { "a transaction each" };
                lines.push(format!("{migration} ({how})"));
            }
            let lock = format!("{:width$}", one.lock);
            lines.push(format!("  {lock}  {:24}  {}", waiting(one), self.statement(&one.sql)));
        }
        lines.join("\n")
    }

    fn statement(&self, sql: &str) -> String {
        let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(90) {
            Some((end, _)) if !self.full => format!("{}…", &line[..end]),
            _ => line,
        }
    }
}

fn waiting(one: &Planned) -> String {
    let waits = match one.blocks {
        Some(Blocks::ReadsAndWrites) => "blocks all",
        Some(Blocks::Writes) => "blocks writes",
        _ => "blocks nothing",
    };
    let mut words = vec![waits];
    words.extend(one.rewrites.then_some("rewrites"));
    words.extend(one.in_batches.then_some("in batches"));
    words.join(", ")
}
