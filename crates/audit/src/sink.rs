//! Where checkpoints go: out of the database, so that whoever rewrites it cannot rewrite them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::checkpoint::FIRST_LINE;
use crate::{Error, Result, SignedCheckpoint};

/// Some times the length of a checkpoint, in bytes.
const TAIL: u64 = 8 << 10;

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
        let tail = self.tail().map_err(|source| self.failed("reading the checkpoints of", source))?;
        let (whole, torn) = tail.split_at(complete(&tail));
        if !is_begun(torn) {
            return Err(Error::Malformed { what: "file of checkpoints", reason: "it ends with something else" });
        }
        let start = whole.rfind(FIRST_LINE).filter(|start| *start == 0 || whole.as_bytes()[*start - 1] == b'\n');
        match start {
            Some(start) => SignedCheckpoint::parse(&whole[start..]).map(Some),
            None if whole.trim().is_empty() => Ok(None),
            None => Err(Error::Malformed { what: "file of checkpoints", reason: "it does not end with one" }),
        }
    }

    fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        self.end_torn_one()
            .and_then(|()| {
                let mut file = OpenOptions::new().create(true).append(true).open(&self.0)?;
                file.write_all(checkpoint.to_text().as_bytes())?;
                file.sync_all()
            })
            .map_err(|source| self.failed("adding a checkpoint to", source))
    }
}

impl FileSink {
    /// The end of the file, in which the last whole checkpoint and what a crash left of one more have room.
    fn tail(&self) -> io::Result<String> {
        let mut file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // A checkpoint is ASCII; a byte that is not is none of ours, and will not parse.
        Ok(bytes.into_iter().map(|byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect())
    }

    /// What a crash left of a checkpoint goes: it is written again as a whole.
    fn end_torn_one(&self) -> io::Result<()> {
        let tail = self.tail()?;
        let torn = &tail[complete(&tail)..];
        if !is_begun(torn) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it ends with something that is no checkpoint"));
        }
        if !torn.trim().is_empty() {
            let file = OpenOptions::new().write(true).open(&self.0)?;
            file.set_len(file.metadata()?.len() - torn.len() as u64)?;
            file.sync_all()?;
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::File { doing, path: self.0.clone(), source }
    }
}

/// Whether it can be what a crash left of a checkpoint: anything else is not ours to cut off.
fn is_begun(torn: &str) -> bool {
    let torn = torn.trim();
    FIRST_LINE.trim_end().starts_with(torn) || torn.starts_with(FIRST_LINE.trim_end())
}

/// The length of the text up to the end of its last whole checkpoint.
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
