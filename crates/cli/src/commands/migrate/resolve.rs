//! `rylie migrate resolve`

use clap::{ArgGroup, Args};
use rylie_db::migration::Resolution;
use serde_json::json;

use super::super::migrations;
use crate::arguments::Global;
use crate::failure::Result;
use crate::report::Report;

/// Correct the record after a failure that you have examined
///
/// Changes the record only, never the schema, and is recorded in the audit log. A statement in doubt counts as done
/// (`--applied`), or the next deploy repeats it (`--rolled-back`) and continues from there. Any other migration that is
/// unfinished, edited, missing, inserted or renamed counts as applied, or as pending and starts again at its first
/// step.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("outcome").required(true)),
    after_help = "Example:\n  rylie migrate resolve m20261123_000004_add_soft_delete --applied --reason 'the column is there'"
)]
pub(crate) struct Resolve {
    /// The migration, as shown by `migrate status`
    name: String,
    /// The schema contains the change
    #[arg(long, group = "outcome")]
    applied: bool,
    /// The schema does not contain the change
    #[arg(long, group = "outcome")]
    rolled_back: bool,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
}

impl Resolve {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let (resolution, word) =
            if self.applied { (Resolution::Applied, "applied") } else { (Resolution::RolledBack, "rolled back") };
        migrations(global).await?.resolve(&self.name, resolution, &self.reason).await?;
        let text = format!("{} is recorded as {word}; run `rylie migrate status`", self.name);
        Ok(Report::new(json!({ "migration": self.name, "resolution": word }), text))
    }
}
