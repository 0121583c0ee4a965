//! Progress on standard error: plain lines of migrations; of long jobs a bar at a terminal, and a few lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use rylie_db::migration::Progress;
use rylie_db::repositories;

use crate::arguments::Global;

/// A listener for migrations: what begins and what is waited for; with `-v` each statement too.
pub(crate) fn lines(global: &Global) -> impl FnMut(Progress<'_>) + Send + use<> {
    let (quiet, verbose) = (global.quiet, global.verbose > 0);
    move |progress| {
        if let Some(line) = line(progress, verbose).filter(|_| !quiet) {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

fn line(progress: Progress<'_>, verbose: bool) -> Option<String> {
    match progress {
        Progress::Waiting { holder: Some(process) } => {
            Some(format!("waiting for another migration (process {process})"))
        }
        Progress::Waiting { holder: None } => Some("waiting for another migration".to_owned()),
        Progress::Started { migration, steps } => Some(format!("{migration}: {steps} steps")),
        Progress::Step { step, statement, .. } if verbose => {
            let words: Vec<&str> = statement.split_whitespace().collect();
            Some(format!("  {step}: {}", words.join(" ")))
        }
        _ => None,
    }
}

/// Tells how far a job is that goes over rows.
pub(crate) fn rows(global: &Global) -> repositories::Progress {
    match (global.quiet, io::stderr().is_terminal()) {
        (true, _) => repositories::Progress::none(),
        (false, true) => bar(),
        (false, false) => tenths(),
    }
}

fn bar() -> repositories::Progress {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left") {
        bar.set_style(style);
    }
    repositories::Progress::new(move |done, of| {
        bar.set_length(of);
        bar.set_position(done);
        if done >= of {
            bar.finish_and_clear();
        }
    })
}

/// A line for each tenth, so that a log stays short.
fn tenths() -> repositories::Progress {
    let told = AtomicU64::new(0);
    repositories::Progress::new(move |done, of| {
        let tenth = done.saturating_mul(10).checked_div(of).unwrap_or_default();
        if tenth > told.fetch_max(tenth, Ordering::Relaxed) {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{done} of {of} rows");
        }
    })
}
