//! Progress on standard error. Migrations print lines. Long jobs show a bar at a terminal, and a few lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rylie_db::migration::{Blocker, DeployProgress, OnWait, Wait};
use rylie_db::repositories;

use crate::arguments::Global;
use crate::preflight;

/// Steps with fewer rows print no progress.
const LINE_ROWS: u64 = 50_000;

/// How often the same blocking sessions are printed.
const BLOCKED: Duration = Duration::from_secs(5);

/// How often a long step that nothing blocks is printed.
const WORKING: Duration = Duration::from_secs(10);

/// After this many idle seconds the program of a session that holds the migration lock may be gone.
const LEFT_OVER: i64 = 30;

/// Prints one line to standard error, which may be closed.
pub(crate) fn line(global: &Global, line: &str) {
    if !global.quiet {
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// Returns a listener that prints which sessions block a statement, at once and every five seconds, and how far a long
/// statement is, every ten seconds.
pub(crate) fn waits(global: &Global) -> OnWait {
    let quiet = global.quiet;
    let printed = Mutex::new(Printed::default());
    Arc::new(move |wait: &Wait| {
        let processes: Vec<i32> = wait.blockers.iter().map(|blocker| blocker.pid).collect();
        let every = if processes.is_empty() { WORKING } else { BLOCKED };
        let is_early = processes.is_empty() && wait.lasted < WORKING;
        let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
        if !quiet && !is_early && printed.is_due(&processes, every) {
            let _ = writeln!(io::stderr(), "  {wait}");
        }
    })
}

/// The processes of the last printed line.
#[derive(Default)]
struct Printed(Option<(Vec<i32>, Instant)>);

impl Printed {
    fn is_due(&mut self, processes: &[i32], every: Duration) -> bool {
        let now = Instant::now();
        let same = self.0.as_ref().is_some_and(|(before, at)| before == processes && now - *at < every);
        if !same {
            self.0 = Some((processes.to_vec(), now));
        }
        !same
    }
}

/// Returns a listener that prints started migrations and waits, and with `-v` each statement.
pub(crate) fn lines(global: &Global) -> impl FnMut(DeployProgress<'_>) + Send + use<> {
    let (quiet, verbose) = (global.quiet, global.verbose > 0);
    let (mut reported, mut waiting) = ((0, 0), Printed::default());
    move |progress| {
        if let DeployProgress::Waiting { holder } = progress
            && !waiting.is_due(&[holder.map_or(0, |holder| holder.pid)], BLOCKED)
        {
            return;
        }
        if let DeployProgress::Rows { step, done, of, .. } = progress
            && !is_reported(&mut reported, step, done, of)
        {
            return;
        }
        if let DeployProgress::Adopting { preflight } = progress
            && !quiet
        {
            for line in preflight::in_words(preflight) {
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
        if let Some(line) = in_words(progress, verbose).filter(|_| !quiet) {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

fn in_words(progress: DeployProgress<'_>, verbose: bool) -> Option<String> {
    match progress {
        DeployProgress::Waiting { holder } => {
            Some(format!("waiting for another migration{}", holder.map(holding).unwrap_or_default()))
        }
        DeployProgress::Started { migration, steps: 1 } => Some(format!("{migration}: 1 step")),
        DeployProgress::Started { migration, steps } => Some(format!("{migration}: {steps} steps")),
        DeployProgress::Step { step, statement, .. } if verbose => {
            let words: Vec<&str> = statement.split_whitespace().collect();
            Some(format!("  {step}: {}", words.join(" ")))
        }
        DeployProgress::RestoringRowSecurity { missing } => Some(format!("restoring row-level security: {missing}")),
        DeployProgress::Rows { step, done, of: Some(of), .. } => Some(format!("  {step}: {done} of about {of} rows")),
        DeployProgress::Rows { step, done, of: None, .. } => Some(format!("  {step}: {done} rows")),
        _ => None,
    }
}

/// Names the holder of the migration lock, and how to end one that seems to be left over: it does nothing for long.
fn holding(holder: &Blocker) -> String {
    let is_idle = holder.state.as_deref().is_none_or(|state| state.starts_with("idle"));
    let advice = if is_idle && holder.since_seconds.is_some_and(|age| age >= LEFT_OVER) {
        format!("; if its program is gone, end it: `rylie doctor terminate {} --force`", holder.pid)
    } else {
        String::new()
    };
    format!(": {holder}{advice}")
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
