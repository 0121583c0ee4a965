//! `rylie migrate lint`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rylie_db::lint::{Finding, Script, lint, scripts_of_migrations};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::report::Report;

/// Report what migrations would harm on a live PostgreSQL database; exit code 3 for any finding
///
/// Checks the given files and the `.sql` files in the given folders (by name, with subfolders), or else the project's
/// own migrations. Each finding shows the place, the harm, and what to write instead. To accept a finding, write above
/// the statement: `-- rylie-lint: allow RULE because REASON`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie migrate lint db/migrations/20261201_add_due.sql")]
pub(crate) struct Lint {
    /// Files and folders with SQL
    paths: Vec<PathBuf>,
}

impl Lint {
    pub(crate) fn run(&self) -> Result<Report> {
        let scripts = if self.paths.is_empty() { scripts_of_migrations() } else { read_all(&self.paths)? };
        let findings = lint(&scripts);
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let text = if lines.is_empty() { "nothing found".to_owned() } else { lines.join("\n") };
        Ok(Report::new(json!({ "findings": findings }), text).with_verdict(verdict(&findings)))
    }
}

fn verdict(findings: &[Finding]) -> Option<Failure> {
    (!findings.is_empty())
        .then(|| Failure::Found(format!("findings: {}; each shows what to write instead", findings.len())))
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for path in paths {
        let before = scripts.len();
        read_path(path, &mut scripts)?;
        if scripts.len() == before {
            return Err(Failure::Usage(format!("{} contains no `.sql` file", path.display())));
        }
    }
    Ok(scripts)
}

fn read_path(path: &Path, scripts: &mut Vec<Script>) -> Result<()> {
    let unreadable = |error: io::Error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
    if !path.is_dir() {
        // Other tools may write a byte order mark, or not UTF-8.
        let sql = String::from_utf8_lossy(&fs::read(path).map_err(unreadable)?).into_owned();
        scripts.push(Script::file(path.display().to_string(), sql.trim_start_matches('\u{feff}')));
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(unreadable)?.collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
    let mut inside: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    inside.sort();
    for entry in inside {
        // Links to folders are not followed: they may form a cycle.
        let is_folder = entry.is_dir() && !entry.is_symlink();
        if is_folder || entry.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
            read_path(&entry, scripts)?;
        }
    }
    Ok(())
}
