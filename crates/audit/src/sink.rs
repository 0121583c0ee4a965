//! Where checkpoints go: out of the database, so that whoever rewrites it cannot rewrite them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::{Error, Result, SignedCheckpoint};

/// A place outside the database. It is given every checkpoint once, in order, after the database has it.
pub trait CheckpointSink: Send + Sync {
    /// Whether it remembers, so that what it missed is made up for.
    fn remembers(&self) -> bool;

    /// The last checkpoint it has; `None` if it has none or does not remember.
    fn last(&self) -> Result<Option<SignedCheckpoint>>;

    /// Keeps one more; done only when it will survive a crash.
    fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<()>;
}

/// A file that is only added to, flushed to disk each time. Put it on another machine, or where only appending is allowed.
#[derive(Clone, Debug)]
pub struct FileSink(pub PathBuf);

impl CheckpointSink for FileSink {
    fn remembers(&self) -> bool {
        true
    }

    fn last(&self) -> Result<Option<SignedCheckpoint>> {
        match fs::read_to_string(&self.0) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Ok(SignedCheckpoint::parse_all(complete(&text))?.pop()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("reading the checkpoints of", source)),
        }
    }

    fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        self.end_torn_line()
            .and_then(|()| {
                let mut file = OpenOptions::new().create(true).append(true).open(&self.0)?;
                file.write_all(checkpoint.to_text().as_bytes())?;
                file.sync_all()
            })
            .map_err(|source| self.failed("adding a checkpoint to", source))
    }
}

impl FileSink {
    /// What a crash left of a checkpoint goes: it is written again as a whole.
    fn end_torn_line(&self) -> io::Result<()> {
        let Ok(text) = fs::read_to_string(&self.0) else { return Ok(()) };
        let whole = complete(&text);
        if whole.len() < text.len() && !text[whole.len()..].trim().is_empty() {
            let file = OpenOptions::new().write(true).open(&self.0)?;
            file.set_len(u64::try_from(whole.len()).unwrap_or(u64::MAX))?;
            file.sync_all()?;
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::File { doing, path: self.0.clone(), source }
    }
}

/// The text up to the end of its last whole checkpoint.
fn complete(text: &str) -> &str {
    let signature = text.rfind("signature ").unwrap_or_default();
    match text[signature..].find('\n') {
        Some(end) => &text[..=signature + end],
        None => text[..signature].rfind("\nrylie audit checkpoint").map_or("", |start| &text[..=start]),
    }
}

/// Standard output, for a pipe to a log service.
#[derive(Clone, Copy, Debug)]
pub struct StandardOutput;

impl CheckpointSink for StandardOutput {
    fn remembers(&self) -> bool {
        false
    }

    fn last(&self) -> Result<Option<SignedCheckpoint>> {
        Ok(None)
    }

    fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        let mut out = io::stdout().lock();
        let written = out.write_all(checkpoint.to_text().as_bytes()).and_then(|()| out.flush());
        written.map_err(|source| Error::File {
            doing: "writing a checkpoint to",
            path: "standard output".into(),
            source,
        })
    }
}
