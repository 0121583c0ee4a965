//! The result of a command, for people and for programs.

use std::io::{self, ErrorKind, Write};

use rylie_db::maintenance::{BackupCheck, CheckStatus, visible};
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::failure::{Failure, Result, in_one_line};

/// The outcome of a command.
#[derive(Debug)]
pub(crate) struct Report {
    /// The document of `--json`.
    pub(crate) json: Value,
    /// The text form, without the last line break.
    pub(crate) text: String,
    /// A problem that is printed after the report and sets the exit code.
    pub(crate) verdict: Option<Failure>,
    /// Whether `--quiet` keeps the text, because it is a document that was asked for.
    pub(crate) despite_quiet: bool,
}

impl Report {
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), verdict: None, despite_quiet: false }
    }

    /// The report of a document that does not hold.
    pub(crate) fn disproved(reason: &str, message: String) -> Self {
        Self::new(json!({ "ok": false, "reason": reason }), "").with_verdict(Some(Failure::Found(message)))
    }

    pub(crate) fn with_verdict(self, verdict: Option<Failure>) -> Self {
        Self { verdict, ..self }
    }

    /// Prints the text with `--quiet`, too.
    pub(crate) fn despite_quiet(self) -> Self {
        Self { despite_quiet: true, ..self }
    }

    pub(crate) fn print(&self, global: &Global) -> Result<()> {
        if global.json {
            print(&self.json.to_string())
        } else if global.quiet && !self.despite_quiet || self.text.is_empty() {
            Ok(())
        } else {
            print(&self.text)
        }
    }
}

/// Prints to standard output. A reader that leaves early, as `head` does, is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::File { doing: "writing to standard output".to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Prints a warning for a failed step without which the command succeeds. Returns whether the step succeeded.
pub(crate) fn done_or_warn<T>(outcome: &rylie_db::Result<T>, problem: &str) -> bool {
    if let Err(error) = outcome {
        // With standard error closed there is no reader.
        let _ = writeln!(io::stderr(), "rylie: warning: {problem}: {}", in_one_line(error));
    }
    outcome.is_ok()
}

/// Returns one line for each name, or a text for none.
pub(crate) fn list(done: &str, names: &[String], none: &str) -> String {
    if names.is_empty() {
        return none.to_owned();
    }
    names.iter().map(|name| format!("{done} {name}")).collect::<Vec<_>>().join("\n")
}

/// Longer names shift their values to the right.
const WIDEST: usize = 60;

/// Formats names and values in two columns.
pub(crate) fn table<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| (visible(name), visible(&value))).collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default().min(WIDEST);
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {value}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Formats checks: name, outcome and detail.
pub(crate) fn checks(checks: &[BackupCheck]) -> String {
    table(checks.iter().map(|check| {
        let status = match check.status {
            CheckStatus::Ok => "ok    ",
            CheckStatus::Failed => "FAILED",
            CheckStatus::NotChecked => "-     ",
        };
        (check.id.as_str(), format!("{status}  {}", check.detail))
    }))
}
