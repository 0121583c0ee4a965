//! `rylie doctor fix`

use std::io::Write;
use std::process::Stdio;

use clap::Args;
use rylie_db::Config;
use rylie_db::maintenance::{
    DoctorOptions, DoctorReport, Engine, FixStep, Threshold, Verdict, WHOLE_DATABASE, fix_steps, run_fix,
};
use serde_json::json;

use super::confirm::confirm;
use super::{text, threshold, verdict};
use crate::arguments::Global;
use crate::commands::superuser::refuse_foreign_code;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Show the safe command of a check with its lock, run it, and check again
///
/// Asks before it runs. A fix that needs a person, such as a restart, is shown and not run. Statements wait at most
/// three seconds for their lock.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  rylie doctor fix tables.invalid-index\n  rylie doctor fix application.expired-sessions --yes --json"
)]
pub(super) struct Fix {
    /// The id of the check
    id: String,
    /// Run without asking
    #[arg(long)]
    yes: bool,
    /// Only show what would run
    #[arg(long)]
    dry_run: bool,
    /// Set a threshold, as `rylie doctor` does
    #[arg(long, value_name = "CHECK=NUMBER", value_parser = threshold)]
    threshold: Vec<Threshold>,
}

impl Fix {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        refuse_foreign_code(&settings).await?;
        let before = self.look(&settings).await?;
        let Some(check) = before.check(&self.id) else {
            return Err(Failure::Usage("name one check by its id; `rylie doctor --json` lists them".to_owned()));
        };
        let steps = fix_steps(check, before.engine == "sqlite");
        if steps.is_empty() {
            let text = if check.status == Verdict::NotChecked { "not checked, so not fixed" } else { "nothing to fix" };
            return Ok(report(&before, text, None));
        }
        let shown: Vec<String> = steps.iter().map(shown).collect();
        if self.dry_run {
            return Ok(report(&before, &shown.join("\n"), None));
        }
        if !steps.iter().any(|step| !matches!(step, FixStep::Instruction(_))) {
            let text = format!("this needs a person:\n{}", shown.join("\n"));
            return Ok(report(&before, &text, None));
        }
        if !self.yes {
            // Standard error may be closed.
            let _ = writeln!(std::io::stderr(), "{}", shown.join("\n"));
        }
        confirm(&format!("run the fix of {}", self.id), self.yes)?;
        let mut failure = None;
        refuse_foreign_schema(&settings).await?;
        for step in &steps {
            failure = run(step, global, &settings).await.err();
            if failure.is_some() {
                break;
            }
        }
        let after = self.look(&settings).await?;
        let done = if failure.is_some() { "failed, and later steps did not run" } else { "ran" };
        Ok(report(&after, &format!("{done}\n{}", shown.join("\n")), failure))
    }

    async fn look(&self, settings: &Config) -> Result<DoctorReport> {
        let options = DoctorOptions {
            only: vec![self.id.clone()],
            thresholds: self.threshold.clone(),
            ..DoctorOptions::default()
        };
        Ok(settings.doctor(&options).await?)
    }
}

/// A database that is not ours may need what a check calls wrong.
async fn refuse_foreign_schema(settings: &Config) -> Result<()> {
    let options = DoctorOptions { only: vec!["application.migrations".to_owned()], ..DoctorOptions::default() };
    let report = settings.doctor(&options).await?;
    let evidence = report.checks.iter().flat_map(|check| &check.evidence);
    match evidence.into_iter().find(|found| found.object == WHOLE_DATABASE) {
        Some(found) => Err(Failure::Refused(format!("the database is not ours: {}", found.detail))),
        None => Ok(()),
    }
}

async fn run(step: &FixStep, global: &Global, settings: &Config) -> Result<()> {
    match step {
        FixStep::Statement(fix) => Ok(run_fix(&Engine::new(settings.database_url())?, &fix.command).await?),
        FixStep::Command(_, words) => command(words, global, settings),
        FixStep::Instruction(_) => Ok(()),
    }
}

/// The state after the fix. Its failure, if it has one, is the command's.
fn report(outcome: &DoctorReport, done: &str, failure: Option<Failure>) -> Report {
    let text = format!("{done}\n\n{}", text::in_words(outcome));
    Report::new(json!(outcome), text).with_verdict(failure.or_else(|| verdict(outcome)))
}

fn shown(step: &FixStep) -> String {
    let kind = match step {
        FixStep::Statement(_) => "statement",
        FixStep::Command(..) => "command",
        FixStep::Instruction(_) => "by hand",
    };
    format!("  {kind}: {}\n  lock: {}", step.fix().command, step.fix().lock)
}

/// Runs a command of this program with the same settings. The URL is in its environment, where other users do not see
/// it.
fn command(words: &[String], global: &Global, settings: &Config) -> Result<()> {
    let failed = |source| Failure::File { doing: "running a command of rylie".to_owned(), source };
    let mut child = std::process::Command::new(std::env::current_exe().map_err(failed)?);
    child.args(words).env("DATABASE_URL", settings.database_url()).stdin(Stdio::null()).stdout(Stdio::null());
    if words.first().is_some_and(|word| word == "doctor") {
        child.arg("--yes");
    }
    if let Some(file) = &global.config {
        child.arg("--config").arg(file);
    }
    let status = child.status().map_err(failed)?;
    // A command that found something wrong has worked; the new check says what remains.
    if status.success() || status.code() == Some(3) {
        return Ok(());
    }
    Err(Failure::NotReady(format!("`rylie {}` failed; its error is above", words.join(" "))))
}
