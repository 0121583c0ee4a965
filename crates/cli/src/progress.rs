//! Progress of migrations and of work on many rows: plain lines on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use rylie_db::migration::Progress;

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

/// A listener for work on many rows: a line for each tenth, at a terminal or with `-v`.
pub(crate) fn rows(global: &Global, what: &'static str) -> rylie_db::repositories::Progress {
    if global.quiet || (global.verbose == 0 && !io::stderr().is_terminal()) {
        return rylie_db::repositories::Progress::none();
    }
    let told = AtomicU64::new(0);
    rylie_db::repositories::Progress::new(move |done, of| {
        let tenth = done.saturating_mul(10).checked_div(of).unwrap_or(0);
        if told.swap(tenth, Ordering::Relaxed) != tenth {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{what}: {done} of {of}");
        }
    })
}
