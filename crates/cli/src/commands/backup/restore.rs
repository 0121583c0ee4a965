//! `rylie backup restore`

use clap::Args;
use rylie_db::Config;
use serde_json::json;

use super::{Place, document, note_erasures};
use crate::arguments::Global;
use crate::commands::audit;
use crate::failure::Result;
use crate::progress;
use crate::report::Report;

/// Restore a backup into an empty database
///
/// The files are compared with their checksums first. Ends at the first error. A database that holds a table is refused
/// (4), and so is a SQLite file that exists. On PostgreSQL it takes a superuser, and the roles of the backup must exist.
///
/// Tenants and users that were erased after the backup are erased again: those on the signed list in the folder. `backup
/// create`, `backup restore` and `tenant erase` bring that list up to date with the audit log.
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
        if let Ok(target) = Config::target_of(&self.to) {
            progress::line(global, &target);
        }
        let folder = self.place.folder(&settings)?;
        let backup = folder.get(&self.id)?;
        note_erasures(&settings, &folder, audit::signing_key_if_any(None, &settings)?.as_ref()).await;
        let progress = progress::bytes(global, "restoring");
        let erased = settings.restore_backup(&folder, &backup, &self.to, self.jobs, &progress).await?;
        let rows: u64 = backup.manifest.rows.values().sum();
        let mut json = document(&backup);
        json["restored"] = json!(true);
        json["erased_again"] = json!(erased);
        let mut text = format!("restored {rows} rows of {}", backup.manifest.id);
        let again = erased.tenants.iter().chain(&erased.users);
        text.extend(again.map(|id| format!("\nerased again {id}")));
        Ok(Report::new(json, text))
    }
}
