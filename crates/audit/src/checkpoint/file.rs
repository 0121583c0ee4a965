//! Reading a file of checkpoints, one at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::SignedCheckpoint;
use crate::{Digest, Error, Result};

/// Maximum length of a checkpoint in a file, in bytes. A longer one is not read into memory.
const LONGEST: usize = 64 << 10;

impl SignedCheckpoint {
    /// Passes each checkpoint of a file to `each`, in the file's order, except those of batches before `from`. A last
    /// one that a crash left incomplete is ignored. Fails with [`Error::Damaged`] where a checkpoint is invalid, and
    /// where the file has none at all. Fails with [`Error::File`] if it cannot be read, and with an error of `each`.
    /// Needs memory for one checkpoint, or for a whole JSON document.
    pub fn read_file(path: &Path, from: u64, each: &mut dyn FnMut(Self) -> Result<()>) -> Result<()> {
        texts(path, &mut |text, line| {
            if batch_of(text).is_some_and(|batch| batch < from) {
                return Ok(());
            }
            each(Self::parse(text).map_err(|error| Error::damaged(path, line, error))?)
        })
    }

    /// Fails with [`Error::Forked`] if a file has two different checkpoints of one batch before `until`. Returns the last
    /// batch in the file. Reads texts only and checks no signature, so that it is quick; needs some 50 bytes of memory for
    /// each checkpoint.
    ///
    /// Fails with [`Error::File`] and [`Error::Damaged`] as [`read_file`](Self::read_file) does.
    pub fn refuse_forks(path: &Path, until: u64) -> Result<u64> {
        let (mut hashes, mut last) = (BTreeMap::<u64, Digest>::new(), 0);
        texts(path, &mut |text, _| {
            let Some(batch) = batch_of(text) else { return Ok(()) };
            last = last.max(batch);
            let body = text.rfind("signature ").map_or(text, |at| &text[..at]);
            let hash = Digest::of(body.as_bytes());
            if batch < until && *hashes.entry(batch).or_insert(hash) != hash {
                return Err(Error::Forked { batch });
            }
            Ok(())
        })?;
        Ok(last)
    }
}

/// Passes the text of each checkpoint of a file to `each`, with its first line.
fn texts(path: &Path, each: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
    let failed = |source| Error::File { doing: "reading the checkpoints of", path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    if file.fill_buf().map_err(failed)?.first() == Some(&b'{') {
        let mut document = String::new();
        file.read_to_string(&mut document).map_err(failed)?;
        let all = SignedCheckpoint::parse_all(&document).map_err(|error| Error::damaged(path, 1, error))?;
        return all.iter().try_for_each(|checkpoint| each(&checkpoint.to_text(), 1));
    }
    let (mut current, mut line, mut first, mut found) = (Vec::new(), 0, 1, false);
    loop {
        let start = current.len();
        if start == 0 {
            first = line + 1;
        }
        line += 1;
        let read = file.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut current).map_err(failed)?;
        if current.len() > LONGEST {
            let reason = "a checkpoint is too long";
            return Err(Error::Damaged { path: path.to_owned(), line: first, reason });
        }
        if read == 0 || !current.ends_with(b"\n") {
            break;
        }
        if current.trim_ascii().is_empty() {
            current.clear();
        } else if current[start..].starts_with(b"signature ") {
            found = true;
            each(&String::from_utf8_lossy(&current), first)?;
            current.clear();
        }
    }
    if found {
        return Ok(());
    }
    Err(Error::Damaged { path: path.to_owned(), line: first, reason: "it contains no complete checkpoint" })
}

/// Returns the number in a checkpoint's text, without any check.
fn batch_of(text: &str) -> Option<u64> {
    text.lines().nth(2)?.strip_prefix("batch ")?.parse().ok()
}
