//! `rylie backup restore`

use clap::Args;
use serde_json::json;

use super::{Place, document};
use crate::arguments::Global;
use crate::failure::Result;
use crate::progress;
use crate::report::Report;

/// Restore a backup into an empty database
///
/// The files are compared with their checksums first. Ends at the first error. A database that holds a table is refused
/// (4), and so is a SQLite file that exists. On PostgreSQL it takes a superuser, and the roles of the backup must exist.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  rylie backup restore 20261126T020000000Z --to postgres://postgres@localhost/restored"
)]
pub(crate) struct Restore {
    /// The backup's id, as `rylie backup list` shows it
    id: String,
    /// The empty database
    #[arg(long, value_name = "URL")]
    to: String,
    /// How many tables are restored at once; PostgreSQL only
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    #[command(flatten)]
    place: Place,
}

impl Restore {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let backup = self.place.folder(&settings)?.get(&self.id)?;
        settings.restore_backup(&backup, &self.to, self.jobs, &progress::bytes(global, "restoring")).await?;
        let rows: u64 = backup.manifest.rows.values().sum();
        let mut json = document(&backup);
        json["restored"] = json!(true);
        Ok(Report::new(json, format!("restored {rows} rows of {}", backup.manifest.id)))
    }
}
