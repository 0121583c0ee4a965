//! Progress on standard error. Migrations print lines. Long jobs show a bar at a terminal, and a few lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use rylie_db::migration::DeployProgress;
use rylie_db::repositories;

use crate::arguments::Global;

/// Steps with fewer rows print no progress.
const LINE_ROWS: u64 = 50_000;

/// Returns a listener that prints started migrations and waits (with the sessions that block them), and with `-v` each statement.
pub(crate) fn lines(global: &Global) -> impl FnMut(DeployProgress<'_>) + Send + use<> {
    let (quiet, verbose) = (global.quiet, global.verbose > 0);
    let mut reported = (0, 0);
    move |progress| {
        if let DeployProgress::Rows { step, done, of, .. } = progress
            && !is_reported(&mut reported, step, done, of)
        {
            return;
        }
        if let Some(line) = line(progress, verbose).filter(|_| !quiet) {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

fn line(progress: DeployProgress<'_>, verbose: bool) -> Option<String> {
    match progress {
        DeployProgress::Waiting { holder: Some(process) } => {
            Some(format!("waiting for another migration (process {process})"))
        }
        DeployProgress::Waiting { holder: None } => Some("waiting for another migration".to_owned()),
        DeployProgress::Blocked { step, blockers, .. } => {
            let sessions: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            Some(format!("  {step}: waiting for a lock that {} holds", sessions.join(", ")))
        }
        DeployProgress::Started { migration, steps } => Some(format!("{migration}: {steps} steps")),
        DeployProgress::Step { step, statement, .. } if verbose => {
            let words: Vec<&str> = statement.split_whitespace().collect();
            Some(format!("  {step}: {}", words.join(" ")))
        }
        DeployProgress::Rows { step, done, of: Some(of), .. } => Some(format!("  {step}: {done} of about {of} rows")),
        DeployProgress::Rows { step, done, of: None, .. } => Some(format!("  {step}: {done} rows")),
        _ => None,
    }
}

/// Returns whether to print: one line for each tenth of a large step keeps a log short.
fn is_reported(reported: &mut (usize, u64), step: usize, done: u64, of: Option<u64>) -> bool {
    let part = (of.unwrap_or_default() / 10).max(LINE_ROWS);
    let now = (step, done / part);
    let new = now.1 > 0 && now != *reported;
    if new {
        *reported = now;
    }
    new
}

/// Returns a progress listener for a job on rows.
pub(crate) fn rows(global: &Global, what: &'static str) -> repositories::Progress {
    match (global.quiet, io::stderr().is_terminal()) {
        (true, _) => repositories::Progress::none(),
        (false, true) => bar(what, "{msg} {bar:40} {pos}/{len} rows, {eta} left"),
        (false, false) => tenths(what, "rows"),
    }
}

/// Reports how many bytes a job has copied.
pub(crate) fn bytes(global: &Global, what: &'static str) -> repositories::Progress {
    match (global.quiet, io::stderr().is_terminal()) {
        (true, _) => repositories::Progress::none(),
        (false, true) => bar(what, "{msg} {bar:40} {bytes} of about {total_bytes}, {eta} left"),
        (false, false) => tenths(what, "bytes"),
    }
}

fn bar(what: &'static str, template: &str) -> repositories::Progress {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    repositories::Progress::new(move |done, of| {
        bar.set_length(of);
        bar.set_position(done);
        if done >= of {
            bar.finish_and_clear();
        }
    })
}

/// Prints one line for each tenth, so that a log stays short.
fn tenths(what: &'static str, unit: &'static str) -> repositories::Progress {
    let reported = AtomicU64::new(0);
    repositories::Progress::new(move |done, of| {
        let tenth = done.saturating_mul(10).checked_div(of).unwrap_or_default();
        if tenth > reported.fetch_max(tenth, Ordering::Relaxed) {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "{what}: {done} of {of} {unit}");
        }
    })
}
