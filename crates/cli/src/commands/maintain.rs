//! `rylie maintain`

use clap::{Args, Subcommand};
use rylie_db::maintenance::{close_usage, remove_expired};
use serde_json::json;

use super::audit::Sealing;
use super::migrated_database;
use crate::arguments::Global;
use crate::failure::Result;
use crate::report::Report;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie maintain sessions --quiet")]
pub(crate) enum Maintain {
    /// Delete expired sessions and verification tokens
    #[command(after_help = "Example:\n  rylie maintain sessions")]
    Sessions,

    /// Archive and reset the counters of every billing period that has ended
    ///
    /// Each period is archived once, however often and by however many processes the command is run.
    #[command(after_help = "Example:\n  rylie maintain usage --json")]
    Usage,

    /// Seal the audit log, and with `--keep-days` remove what was sealed before that
    ///
    /// Sealed batches are removed as a whole; their checkpoints stay, and `rylie audit verify` says so. What is not
    /// sealed is never removed.
    #[command(after_help = "Example:\n  rylie maintain audit --keep-days 730")]
    Audit(MaintainAudit),
}

#[derive(Args, Debug)]
pub(crate) struct MaintainAudit {
    /// For how many days records are kept [default: for ever]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_days: Option<u32>,
    #[command(flatten)]
    sealing: Sealing,
}

impl Maintain {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let database = migrated_database(global).await?;
        let store = database.store();
        let report = match self {
            Self::Sessions => {
                let removed = remove_expired(&*store).await?;
                let (sessions, tokens) = (removed.sessions, removed.verification_tokens);
                let text = format!("deleted {sessions} sessions and {tokens} verification tokens");
                Report::new(json!({ "deleted": sessions, "verification_tokens": tokens }), text)
            }
            Self::Usage => {
                let closed = close_usage(&*store).await?;
                Report::new(json!({ "archived": closed.users }), format!("archived {} billing periods", closed.users))
            }
            Self::Audit(audit) => audit.sealing.maintain(&database, audit.keep_days).await?,
        };
        database.close().await;
        Ok(report)
    }
}
