//! `rylie migrate new`

use std::path::PathBuf;

use clap::Args;
use rylie_db::entities::SystemEnv;
use rylie_db::{NewMigration, Unwritten};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::report::Report;

/// Write the next migration, and propose what the entities have and the schema lacks
///
/// For contributors: a new column or table of an entity becomes steps for both engines; a comment lists other
/// differences. Needs no database. Never overwrites. Afterwards add the lines that it prints, review the file, and run
/// the tests with `UPDATE_SNAPSHOTS=1`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie migrate new add_due_date")]
pub(crate) struct New {
    /// Lower-case words joined by `_`, verb first
    name: String,

    /// The folder of the migrations [default: `migration/src/migrations`, or `migration/src` if that is missing]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(&self) -> Result<Report> {
        let dir = self.dir.clone().unwrap_or_else(folder);
        let new = NewMigration::propose(&self.name, &dir, &SystemEnv).map_err(failure)?;
        let file = new.write(&dir).map_err(failure)?.display().to_string();
        let mut lines = vec![format!("wrote {file}")];
        lines.extend(
            new.postgres.iter().map(|sql| format!("proposes {}", sql.split_whitespace().collect::<Vec<_>>().join(" "))),
        );
        if new.postgres.is_empty() {
            lines.push("proposes no step: the entities match the schema".to_owned());
        }
        lines.extend(new.remarks.iter().map(|remark| format!("note: {remark}")));
        lines.extend(new.listing.iter().map(|(place, line)| format!("add to {place}: {line}")));
        let listing: Vec<_> = new.listing.iter().map(|(place, line)| json!({ "place": place, "line": line })).collect();
        let document = json!({
            "file": file, "name": new.name, "postgres": new.postgres, "sqlite": new.sqlite, "remarks": new.remarks, "add": listing,
        });
        Ok(Report::new(document, lines.join("\n")))
    }
}

fn folder() -> PathBuf {
    let ours = PathBuf::from("migration/src/migrations");
    if ours.is_dir() { ours } else { PathBuf::from("migration/src") }
}

fn failure(error: Unwritten) -> Failure {
    match error {
        Unwritten::Name(_) | Unwritten::Folder { .. } => Failure::Usage(error.to_string()),
        Unwritten::Exists { .. } => Failure::Refused(error.to_string()),
        Unwritten::Write { file, source } => Failure::File { doing: format!("writing {file}"), source },
        other => Failure::Usage(other.to_string()),
    }
}
