//! `rylie config`

use clap::Subcommand;
use serde_json::json;

use crate::arguments::Global;
use crate::failure::Result;
use crate::report::{Report, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie config show")]
pub(crate) enum Config {
    /// Show every setting with its value and origin, secrets masked
    #[command(after_help = "Example:\n  rylie config show --json")]
    Show,
}

impl Config {
    pub(crate) fn run(&self, global: &Global) -> Result<Report> {
        let Self::Show = self;
        let settings = global.settings()?.settings();
        let rows = settings
            .iter()
            .map(|setting| (setting.name.as_str(), format!("{:11}  {}", setting.origin.to_string(), setting.value)));
        Ok(Report::new(json!({ "settings": settings }), table(rows)))
    }
}
