//! Reading a file of checkpoints, one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::SignedCheckpoint;
use crate::{Error, Result};

/// Maximum length of a checkpoint in a file, in bytes. A longer one is not read into memory.
const LONGEST: usize = 64 << 10;

impl SignedCheckpoint {
    /// Passes each checkpoint of a file to `each`, in the file's order, except those of batches before `from`. A last
    /// one that a crash left incomplete is ignored. Fails with [`Error::Damaged`] where a checkpoint is invalid, and
    /// where the file has none at all. Needs memory for one checkpoint, or for a whole JSON document.
    pub fn read_file(path: &Path, from: u64, each: &mut dyn FnMut(Self) -> Result<()>) -> Result<()> {
        let failed = |source| Error::File { doing: "reading the checkpoints of", path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        if file.fill_buf().map_err(failed)?.first() == Some(&b'{') {
            let mut document = String::new();
            file.read_to_string(&mut document).map_err(failed)?;
            let all = Self::parse_all(&document).map_err(|error| Error::damaged(path, 1, error))?;
            return all.into_iter().filter(|checkpoint| checkpoint.checkpoint().batch >= from).try_for_each(each);
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
                let text = String::from_utf8_lossy(&current);
                if batch_of(&text).is_none_or(|batch| batch >= from) {
                    each(Self::parse(&text).map_err(|error| Error::damaged(path, first, error))?)?;
                }
                current.clear();
            }
        }
        if found {
            return Ok(());
        }
        Err(Error::Damaged { path: path.to_owned(), line: first, reason: "it contains no complete checkpoint" })
    }
}

/// Returns the number in a checkpoint's text, without any check.
fn batch_of(text: &str) -> Option<u64> {
    text.lines().nth(2)?.strip_prefix("batch ")?.parse().ok()
}
