//! The witnesses of a verification, and what they have seen.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::cosignature::SIGNATURE;
use crate::{Checkpoint, Cosignature, Digest, Error, Result, TreeHead, WitnessKey};

/// Maximum length of a statement in a file, in bytes.
const LONGEST: usize = 64 << 10;

/// Trusted witnesses with their statements. A verification requires that a number of them has seen the log, and that
/// none has seen another one.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    trusted: Vec<Trusted>,
    required: usize,
}

#[derive(Clone, Debug)]
struct Trusted {
    key: WitnessKey,
    /// The root and the database of each size; both roots of a size that has two.
    seen: BTreeMap<u64, Vec<(Digest, String)>>,
}

impl Witnesses {
    /// Creates them without statements. `required` is how many must have seen the log; `None`: all of them.
    /// [`Error::Malformed`] if it is 0 or more than there are keys, and if a name or key occurs twice.
    pub fn new(keys: Vec<WitnessKey>, required: Option<usize>) -> Result<Self> {
        let malformed = |reason| Err(Error::Malformed { what: "number of witnesses", reason });
        let required = required.unwrap_or(keys.len());
        if required > keys.len() || (required == 0 && !keys.is_empty()) {
            return malformed("it must be from 1 to the number of keys of witnesses");
        }
        let mut trusted: Vec<Trusted> = Vec::with_capacity(keys.len());
        for key in keys {
            if trusted.iter().any(|other| other.key.same_witness(&key)) {
                return malformed("a name or a key of a witness occurs twice");
            }
            trusted.push(Trusted { key, seen: BTreeMap::new() });
        }
        Ok(Self { trusted, required })
    }

    /// Adds the statements of a file. Statements of other witnesses are ignored, and so is a last one that a crash left
    /// incomplete. Fails with [`Error::Damaged`] where the file has something else, and where a statement of a trusted
    /// witness is not valid. Fails with [`Error::File`] if it cannot be read.
    pub fn read(&mut self, path: &Path) -> Result<()> {
        let failed = |source| Error::File { doing: "reading the statements of", path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let (mut note, mut line, mut first) = (Vec::new(), 0_u64, 1);
        loop {
            let start = note.len();
            line += 1;
            if start == 0 {
                first = line;
            }
            let read = file.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut note).map_err(failed)?;
            if note.len() > LONGEST {
                return Err(Error::Damaged { path: path.to_owned(), line: first, reason: "a statement is too long" });
            }
            if read == 0 || !note.ends_with(b"\n") {
                return Ok(());
            }
            if note.trim_ascii().is_empty() {
                note.clear();
            } else if note[start..].starts_with(SIGNATURE.as_bytes()) {
                self.add(&String::from_utf8_lossy(&note)).map_err(|error| Error::damaged(path, first, error))?;
                note.clear();
            }
        }
    }

    /// Adds the statement in a note, for each trusted witness that signed it. Fails with [`Error::Malformed`] for a
    /// text that is no note, and for an invalid signature of a trusted witness.
    pub fn add(&mut self, note: &str) -> Result<()> {
        for Trusted { key, seen } in &mut self.trusted {
            if let Some(Cosignature { head, .. }) = Cosignature::parse(note, key)? {
                let roots = seen.entry(head.size).or_default();
                if roots.iter().all(|(root, _)| *root != head.root) {
                    roots.push((head.root, head.database));
                }
            }
        }
        Ok(())
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Returns the last batch that the required number of witnesses has seen; 0 if fewer have signed anything.
    #[must_use]
    pub fn witnessed(&self) -> u64 {
        let mut last: Vec<u64> = self.trusted.iter().filter_map(|one| one.seen.keys().next_back().copied()).collect();
        last.sort_unstable_by(|a, b| b.cmp(a));
        self.required.checked_sub(1).and_then(|index| last.get(index)).copied().unwrap_or(0)
    }

    /// Returns the number of witnesses that are required, of how many.
    #[must_use]
    pub fn required(&self) -> (usize, usize) {
        (self.required, self.trusted.len())
    }

    /// Returns whether a statement of that size has another root.
    pub(crate) fn contradicts_head(&self, head: &TreeHead) -> bool {
        let at = self.trusted.iter().filter_map(|one| one.seen.get(&head.size));
        at.flatten().any(|(root, _)| *root != head.root)
    }

    /// Returns the witness that has seen another log up to a batch, with the database that it saw.
    pub(crate) fn contradicting(&self, checkpoint: &Checkpoint, root: Digest) -> Option<(&str, &str)> {
        self.trusted.iter().find_map(|one| {
            let (_, database) = one.seen.get(&checkpoint.batch)?.iter().find(|(found, _)| *found != root)?;
            Some((one.key.name(), database.as_str()))
        })
    }

    /// Returns the witness that has seen the most batches beyond `last`, with their number and the database.
    pub(crate) fn beyond(&self, last: u64) -> Option<(&str, u64, &str)> {
        let furthest = |one: &'_ Trusted| one.seen.keys().next_back().copied().unwrap_or(0);
        let one = self.trusted.iter().max_by_key(|one| furthest(one)).filter(|one| furthest(one) > last)?;
        let (size, roots) = one.seen.iter().next_back()?;
        Some((one.key.name(), *size, roots.first().map_or("", |(_, database)| database.as_str())))
    }
}
