//! `rylie maintain vacuum`, `analyze` and `reindex`

use clap::Args;
use rylie_db::maintenance::{Engine, analyze, pretty_bytes, reindex, vacuum};
use serde_json::json;

use crate::failure::Result;
use crate::report::Report;

/// The tables that a maintenance command covers.
#[derive(Args, Debug)]
pub(crate) struct EngineArgs {
    /// Process every table, not only those that need it
    #[arg(long)]
    all: bool,
}

impl EngineArgs {
    pub(crate) async fn vacuum(&self, engine: &Engine) -> Result<Report> {
        let done = vacuum(engine, self.all).await?;
        let mut text = format!("vacuumed {}", named(&done.vacuumed));
        if !done.skipped.is_empty() {
            text.extend([format!("; skipped {} until the next run, because they are locked", named(&done.skipped))]);
        }
        Ok(Report::new(json!(done), text))
    }

    pub(crate) async fn analyze(&self, engine: &Engine) -> Result<Report> {
        let done = analyze(engine, self.all).await?;
        Ok(Report::new(json!(done), format!("analyzed {}", named(&done.analyzed))))
    }

    pub(crate) async fn reindex(&self, engine: &Engine) -> Result<Report> {
        let done = reindex(engine, self.all).await?;
        let mut text = format!("rebuilt {}, freed {}", named(&done.reindexed), pretty_bytes(done.freed_bytes));
        if !done.dropped.is_empty() {
            text.extend([format!("; dropped {}, which failed runs left", named(&done.dropped))]);
        }
        if !done.skipped.is_empty() {
            text.extend([format!("; skipped {} until the next run, because they are locked", named(&done.skipped))]);
        }
        Ok(Report::new(json!(done), text))
    }
}

fn named(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
