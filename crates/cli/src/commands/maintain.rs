//! `rylie maintain`

use clap::Subcommand;
use rylie_db::maintenance::{close_usage, remove_expired};
use serde_json::json;

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
        };
        database.close().await;
        Ok(report)
    }
}
