//! `rylie migrate new`

use std::path::PathBuf;

use clap::Args;
use rylie_db::entities::SystemEnv;
use rylie_db::{NewMigration, Unwritten};
use serde_json::json;

use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Write the next migration, and propose what the entities have and the schema lacks
///
/// In the command of a service the file is the service's: it is numbered after the last one, and adds the columns that
/// the entities have and no migration makes. Without such columns, `create_label` begins the table `Label`,
/// `add_due_to_label` adds to it, and another name has steps to write.
///
/// For contributors of the library: a new column or table of an entity becomes steps for both engines. Run the tests
/// with `UPDATE_SNAPSHOTS=1` afterwards.
///
/// Needs no database. Never overwrites. Afterwards add the lines that it prints, and review the file.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie migrate new add_due_date\n  rylie migrate new --own create_label")]
pub(crate) struct New {
    /// Lower-case words joined by `_`, verb first
    name: String,

    /// The folder of the migrations [default: `migration/src/migrations`, or `migration/src` if that is missing; for a
    /// service `src/migrations`, or `src`]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Write a service's migration, also before the service has one
    #[arg(long)]
    own: bool,
}

impl New {
    pub(crate) fn run(&self, global: &Global) -> Result<Report> {
        let own = self.own || !global.schema.tables().is_empty();
        let dir = self.dir.clone().unwrap_or_else(|| folder(if own { "src" } else { "migration/src" }));
        let new = if own {
            NewMigration::of_service(&self.name, &dir, &SystemEnv, &global.schema)
        } else {
            NewMigration::propose(&self.name, &dir, &SystemEnv)
        };
        let new = new.map_err(failure)?;
        let file = new.write(&dir).map_err(failure)?.display().to_string();
        let mut lines = vec![format!("wrote {file}")];
        lines.extend(
            new.postgres.iter().map(|sql| format!("proposes {}", sql.split_whitespace().collect::<Vec<_>>().join(" "))),
        );
        if new.postgres.is_empty() && !own {
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

fn folder(source: &str) -> PathBuf {
    let migrations = PathBuf::from(source).join("migrations");
    if migrations.is_dir() { migrations } else { PathBuf::from(source) }
}

fn failure(error: Unwritten) -> Failure {
    match error {
        Unwritten::Name(_) | Unwritten::Folder { .. } => Failure::Usage(error.to_string()),
        Unwritten::Exists { .. } => Failure::Refused(error.to_string()),
        Unwritten::Write { file, source } => Failure::File { doing: format!("writing {file}"), source },
        other => Failure::Usage(other.to_string()),
    }
}
