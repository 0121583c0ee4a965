//! `rylie doctor`

mod confirm;
mod fix;
mod html;
mod sessions;
mod text;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rylie_db::maintenance::{DoctorOptions, DoctorReport, Threshold, Verdict, parse_bytes};
use serde_json::json;

use super::begin;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::new_file::NewFile;
use crate::report::Report;

/// Check everything: activity, queries, tables, server, isolation, application and file; exit code 3 if something is
/// wrong
///
/// Reads only, except for the isolation probe, whose writes are refused or rolled back. A check that could not be made
/// is `not-checked` with its reason, and never `ok`. Findings that another one explains are listed under their root
/// cause. The group `shardable` is looked at with `--only shardable`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  rylie doctor --json > last.json\n  rylie doctor --since last.json --html doctor.html\n  rylie doctor --only activity isolation.policy"
)]
pub(crate) struct Doctor {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    look: Look,
}

#[derive(Debug, Subcommand)]
enum Action {
    Fix(fix::Fix),
    Cancel(sessions::Cancel),
    Terminate(sessions::Terminate),
}

/// The subjects, thresholds and outputs of a run.
#[derive(Args, Debug)]
struct Look {
    /// Look at these checks or groups only
    #[arg(long, value_name = "CHECK", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Compare with the JSON document of an earlier run
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Write a page for browsers: one file, for its owner only; an existing one is replaced
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Set a threshold: CHECK=NUMBER, or CHECK.critical=NUMBER; over the settings `[doctor]`
    #[arg(long, value_name = "CHECK=NUMBER", value_parser = threshold)]
    threshold: Vec<Threshold>,
    /// The size of the database's disk, for the days until it is full
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    disk_capacity: Option<i64>,
    /// Read whole tables, verify the whole audit log, and open every secret (which is recorded)
    #[arg(long)]
    deep: bool,
}

impl Doctor {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        if self.action.is_some() && self.look.is_given() {
            return Err(Failure::Usage("name the options of a run without a subcommand, or after it".to_owned()));
        }
        match &self.action {
            Some(Action::Fix(fix)) => fix.run(global).await,
            Some(Action::Cancel(cancel)) => cancel.run(global).await,
            Some(Action::Terminate(terminate)) => terminate.run(global).await,
            None => self.look.run(global).await,
        }
    }
}

impl Look {
    /// Whether an option of a run was given.
    fn is_given(&self) -> bool {
        let Self { only, since, html, threshold, disk_capacity, deep } = self;
        let texts = !only.is_empty() || !threshold.is_empty() || since.is_some() || html.is_some();
        texts || disk_capacity.is_some() || *deep
    }

    async fn run(&self, global: &Global) -> Result<Report> {
        // Both before the run: a wrong file is found at once.
        let earlier = self.since.as_deref().map(earlier).transpose()?;
        let page = self.html.as_deref().map(page).transpose()?;
        let options = DoctorOptions {
            only: self.only.clone(),
            thresholds: self.threshold.clone(),
            deep: self.deep,
            disk_capacity: self.disk_capacity,
        };
        let settings = global.settings()?;
        begin(global, &settings).await?;
        let mut report = settings.doctor(&options).await?;
        if let Some(earlier) = &earlier {
            report.compare(earlier);
        }
        if let Some(mut page) = page {
            page.line(&html::page(&report))?;
            page.publish()?;
        }
        Ok(Report::new(json!(report), text::in_words(&report)).with_verdict(verdict(&report)))
    }
}

/// A warning is a finding as well: exit code 3 says that a person should look.
fn verdict(report: &DoctorReport) -> Option<Failure> {
    let mut named: Vec<&str> = report.root_causes().iter().map(|(_, check)| check.id.as_str()).collect();
    if named.is_empty() {
        return None;
    }
    let (critical, warnings) = (report.count(Verdict::Critical), report.count(Verdict::Warning));
    let more = if named.len() > 5 { format!(" and {} more", named.len() - 5) } else { String::new() };
    named.truncate(5);
    Some(Failure::Found(format!("critical: {critical}, warnings: {warnings}: {}{more}", named.join(", "))))
}

/// Creates the page's file. A place where none can be created is a wrong argument.
fn page(path: &Path) -> Result<NewFile> {
    NewFile::create(path, true).map_err(|failure| match failure {
        Failure::File { source, .. } => {
            Failure::Usage(format!("--html: {} cannot be created: {source}", path.display()))
        }
        other => other,
    })
}

/// Reads the document of an earlier run.
fn earlier(path: &Path) -> Result<DoctorReport> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("--since: {} cannot be read: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|_| Failure::Usage(format!("{} is not the JSON document of `rylie doctor --json`", path.display())))
}

fn threshold(text: &str) -> std::result::Result<Threshold, String> {
    text.parse().map_err(|error: rylie_db::maintenance::Error| error.to_string())
}
