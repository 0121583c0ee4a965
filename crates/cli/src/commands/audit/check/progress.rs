//! The progress of a verification: on a terminal, and in a file.

use std::io::{self, Write};
use std::path::Path;

use rylie_db::audit::{Seen, VerifiedUpTo};
use serde_json::json;

use crate::failure::{Failure, Result};

/// The progress of a verification in a file. It is also saved during the run, so that a killed one can resume.
pub(super) struct Noted<'f> {
    pub(super) file: Option<&'f Path>,
    /// The number of verified records at the last save.
    pub(super) records: u64,
    pub(super) failed: Option<Failure>,
}

impl Noted<'_> {
    pub(super) fn note(&mut self, seen: &Seen, progress: &VerifiedUpTo) {
        const EVERY: u64 = 100_000;
        if seen.records >= self.records + EVERY {
            self.records = seen.records;
            self.failed = self.save(progress).err();
        }
    }

    pub(super) fn write(mut self, progress: &VerifiedUpTo) -> Result<()> {
        self.failed.take().map_or_else(|| self.save(progress), Err)
    }

    /// Writes a temporary file first: a half-written one would not be a valid state.
    fn save(&self, progress: &VerifiedUpTo) -> Result<()> {
        let Some(file) = self.file else { return Ok(()) };
        let beside = file.with_extension("new");
        write(&beside, &json!(progress).to_string())?;
        let doing = format!("writing {}", file.display());
        std::fs::rename(&beside, file).map_err(|source| Failure::File { doing, source })
    }
}

/// A progress bar on a terminal.
pub(super) struct Bar {
    pub(super) total: u64,
    pub(super) shown: bool,
}

impl Bar {
    pub(super) fn show(&mut self, seen: &Seen) {
        const WIDTH: u64 = 30;
        if !self.shown {
            return;
        }
        let done = seen.records + seen.removed_records;
        let filled = (done * WIDTH / self.total.max(1)).min(WIDTH);
        let (filled, left) =
            (usize::try_from(filled).unwrap_or_default(), usize::try_from(WIDTH - filled).unwrap_or_default());
        // Standard error may be closed.
        let _ = write!(io::stderr(), "\r[{}{}] {done} of {} records", "#".repeat(filled), " ".repeat(left), self.total);
    }

    pub(super) fn end(&mut self) {
        if self.shown {
            let _ = writeln!(io::stderr());
        }
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    let doing = format!("writing {}", file.display());
    std::fs::write(file, format!("{text}\n")).map_err(|source| Failure::File { doing, source })
}
