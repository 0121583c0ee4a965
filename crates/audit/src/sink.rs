//! Destinations of checkpoints outside the database, which an attacker on the database cannot rewrite.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::checkpoint::BEGINNING;
use crate::{Error, Outside, Result, SignedCheckpoint};

/// Several times the length of a checkpoint, in bytes.
const TAIL: u64 = 8 << 10;

/// A destination outside the database. It receives every checkpoint once, in order, after the database has stored it.
///
/// A destination that cannot be reached fails with [`Error::File`] or [`Error::Store`]: the sealer then continues with
/// the others. Any other error ends the sealing.
pub trait CheckpointSink: Send + Sync {
    /// Returns whether it remembers checkpoints, so that missed ones are sent later.
    fn remembers(&self) -> bool;

    /// Returns its last checkpoint; `None` if it has none or does not remember.
    fn last(&self) -> Result<Option<SignedCheckpoint>>;

    /// Stores a checkpoint durably: it must survive a crash. Fails with [`Error::Diverged`] if it has another
    /// checkpoint of the batch.
    fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<()>;
}

/// An append-only file, flushed to disk after each write. Put it on another machine, or where only appending is
/// allowed.
#[derive(Clone, Debug)]
pub struct FileSink(pub PathBuf);

impl CheckpointSink for FileSink {
    fn remembers(&self) -> bool {
        true
    }

    fn last(&self) -> Result<Option<SignedCheckpoint>> {
        match File::open(&self.0) {
            Ok(mut file) => self.last_in(&self.tail(&mut file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("reading the checkpoints of", error)),
        }
    }

    /// Appends the checkpoint under a lock, because concurrent sealers may publish the same one. Does nothing if the
    /// file has it. Fails with [`Error::Diverged`] if the file has another one of its batch.
    fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        let failed = |source| self.failed("adding a checkpoint to", source);
        let mut file = OpenOptions::new().read(true).create(true).append(true).open(&self.0).map_err(failed)?;
        // Held until the file is closed.
        lock(&file).map_err(failed)?;
        let tail = self.tail(&mut file)?;
        let last = self.last_in(&tail)?.map_or(0, |last| last.checkpoint().batch);
        let batch = checkpoint.checkpoint().batch;
        if batch <= last {
            let there = Outside::read(&self.0)?.contains(checkpoint);
            return if there { Ok(()) } else { Err(Error::Diverged { batch }) };
        }
        let torn = (tail.len() - complete(&tail)) as u64;
        if torn > 0 {
            // Cut off an incomplete checkpoint after a crash; it is written again.
            file.metadata().and_then(|about| file.set_len(about.len() - torn)).map_err(failed)?;
        }
        file.write_all(checkpoint.to_text().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }
}

impl FileSink {
    /// Returns the end of the file, long enough for the last complete checkpoint and an incomplete one after it.
    fn tail(&self, file: &mut File) -> Result<String> {
        let mut read = || {
            let size = file.metadata()?.len();
            file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = read().map_err(|source| self.failed("reading the checkpoints of", source))?;
        // Checkpoints are ASCII; any other byte makes parsing fail.
        Ok(bytes.into_iter().map(|byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect())
    }

    fn last_in(&self, tail: &str) -> Result<Option<SignedCheckpoint>> {
        let (whole, torn) = tail.split_at(complete(tail));
        if !is_begun(torn) {
            return Err(self.damaged(torn, "it ends with text that is not a checkpoint"));
        }
        let start = whole.rfind(BEGINNING).filter(|start| *start == 0 || whole.as_bytes()[*start - 1] == b'\n');
        match start {
            Some(start) => match SignedCheckpoint::parse(&whole[start..]) {
                Err(Error::Malformed { reason, .. }) => Err(self.damaged(&tail[start..], reason)),
                parsed => parsed.map(Some),
            },
            None if whole.trim().is_empty() => Ok(None),
            None => Err(self.damaged(tail, "it does not end with a checkpoint")),
        }
    }

    /// Creates an error about the file's `rest`, with the number of its first line.
    fn damaged(&self, rest: &str, reason: &'static str) -> Error {
        match fs::read(&self.0) {
            Ok(bytes) => {
                let before = &bytes[..bytes.len().saturating_sub(rest.len())];
                let line = before.split(|byte| *byte == b'\n').count() as u64;
                Error::Damaged { path: self.0.clone(), line, reason }
            }
            Err(error) => self.failed("reading the checkpoints of", error),
        }
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::File { doing, path: self.0.clone(), source }
    }
}

/// Ignores a file system without locks.
fn lock(file: &File) -> io::Result<()> {
    match file.lock() {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        locked => locked,
    }
}

/// Returns whether the text may be an incomplete checkpoint. Any other text must not be cut off.
fn is_begun(torn: &str) -> bool {
    let torn = torn.trim();
    BEGINNING.trim_end().starts_with(torn) || torn.starts_with(BEGINNING.trim_end())
}

/// Returns the length of the text up to the end of its last complete checkpoint.
fn complete(text: &str) -> usize {
    let mut lines = 0;
    let mut whole = 0;
    for line in text.split_inclusive('\n') {
        lines += line.len();
        if line.starts_with("signature ") && line.ends_with('\n') {
            whole = lines;
        }
    }
    whole
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
