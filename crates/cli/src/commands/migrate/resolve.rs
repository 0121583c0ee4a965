//! `rylie migrate resolve`

use clap::{ArgGroup, Args};
use rylie_db::migration::Resolution;
use serde_json::json;

use super::super::migrations;
use crate::arguments::Global;
use crate::failure::Result;
use crate::report::Report;

/// Mend the record after a failure that you have looked into
///
/// Touches the record only, never the schema, and goes into the audit log. A statement in doubt counts as done
/// (`--applied`) or is done again (`--rolled-back`) by the next deploy, which goes on from there. Any other migration that did
/// not come to its end, or is edited, missing, inserted or renamed, counts as applied, or as pending and is done from its
/// first step.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("outcome").required(true)),
    after_help = "Example:\n  rylie migrate resolve m20261123_000004_add_soft_delete --applied --reason 'the column is there'"
)]
pub(crate) struct Resolve {
    /// The migration, as `migrate status` names it
    name: String,
    /// The schema holds it
    #[arg(long, group = "outcome")]
    applied: bool,
    /// The schema does not hold it
    #[arg(long, group = "outcome")]
    rolled_back: bool,
    /// Why, for the audit log
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
