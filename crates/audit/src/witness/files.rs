//! The files of a witness: its key, its state and its statements.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::WitnessState;
use crate::cosignature::{ORIGIN, SIGNATURE};
use crate::{Cosignature, Error, Result, SigningKey, WitnessKey, Witnesses};

/// A witness with its files. It holds a lock on the state while it lives, so a second one waits for no harm and fails.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    name: WitnessKey,
    state: PathBuf,
    statements: PathBuf,
    seen: WitnessState,
    /// Held until the witness is dropped.
    _lock: File,
}

impl Witness {
    /// Opens a witness. `statements` is its file of signed notes. `begin` creates the state of a new witness.
    ///
    /// Fails with [`Error::StateLost`] if the state is missing, unless `begin` is set and `statements` has none of this
    /// witness. So a lost state never leads to a second, different statement. Fails with [`Error::Forked`] if a
    /// statement of this witness contradicts its state, which happens after an older state was put back.
    ///
    /// Fails with [`Error::Malformed`] for a name that a witness cannot have and for a malformed state. Fails with
    /// [`Error::Damaged`] if `statements` has something else. Fails with [`Error::File`] if a file cannot be read, or
    /// another witness holds the lock.
    pub fn open(key: SigningKey, name: &str, state: &Path, statements: &Path, begin: bool) -> Result<Self> {
        let name = WitnessKey::new(name, key.public())?;
        let lock = lock(state)?;
        let signed = recent(statements, &name)?;
        let failed = |source| Error::File { doing: "reading the state", path: state.to_owned(), source };
        let seen = match fs::read_to_string(state) {
            Ok(text) => WitnessState::parse(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && begin && signed.witnessed() == 0 => {
                WitnessState::default()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::StateLost { path: state.to_owned() });
            }
            Err(error) => return Err(failed(error)),
        };
        if signed.witnessed() > seen.batch || signed.contradicts_head(&seen.head()) {
            return Err(Error::Forked { batch: signed.witnessed() });
        }
        let (state, statements) = (state.to_owned(), statements.to_owned());
        Ok(Self { key, name, state, statements, seen, _lock: lock })
    }

    /// Returns the verifier key, for those who trust this witness.
    #[must_use]
    pub fn name(&self) -> &WitnessKey {
        &self.name
    }

    /// Returns what it has seen. Give it the next checkpoints by [`WitnessState::see`], then call
    /// [`sign`](Self::sign).
    pub fn seen(&mut self) -> &mut WitnessState {
        &mut self.seen
    }

    /// Stores the state durably, then appends the statement about it, and returns its text. Appends nothing if the file
    /// has the statement. The state is first: a statement that was made is never forgotten.
    ///
    /// `now` is the time in seconds since 1970. Fails with [`Error::Gap`] if it has seen no checkpoint. Fails with
    /// [`Error::File`] or [`Error::Damaged`] if a file cannot be read or written.
    pub fn sign(&mut self, now: u64) -> Result<String> {
        if self.seen.batch == 0 {
            return Err(Error::Gap { batch: 1 });
        }
        let signed = recent(&self.statements, &self.name)?;
        let statement: Cosignature = self.seen.state(now);
        save(&self.state, &self.seen.to_text())?;
        let text = statement.sign(&self.name, &self.key);
        if signed.witnessed() < self.seen.batch {
            append(&self.statements, &text)?;
        }
        Ok(text)
    }
}

/// Locks a file next to the state.
fn lock(state: &Path) -> Result<File> {
    let path = state.with_added_extension("lock");
    let failed = |source| Error::File { doing: "locking the state of the witness by", path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(failed(io::ErrorKind::WouldBlock.into())),
        Err(fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Replaces a file so that a crash leaves the old or the new text.
fn save(path: &Path, text: &str) -> Result<()> {
    let failed = |source| Error::File { doing: "writing the state", path: path.to_owned(), source };
    let new = path.with_added_extension("new");
    let mut file = File::create(&new).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A directory cannot be flushed on every system.
    File::open(folder).and_then(|folder| folder.sync_all()).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Ok(()),
        _ => Err(failed(error)),
    })
}

/// Appends a statement and flushes it. Cuts off the beginning of a statement that a crash left.
fn append(path: &Path, text: &str) -> Result<()> {
    let failed = |source| Error::File { doing: "adding a statement to", path: path.to_owned(), source };
    let mut file = OpenOptions::new().read(true).create(true).append(true).open(path).map_err(failed)?;
    let (start, tail) = tail(&mut file).map_err(failed)?;
    let end = notes(&tail).last().map_or(0, |(_, end)| end);
    let torn = tail[end..].trim_ascii_start();
    let is_begun = torn.starts_with(ORIGIN.as_bytes()) || ORIGIN.as_bytes().starts_with(torn);
    if !is_begun || (start > 0 && end == 0) {
        let reason = "it ends with text that is not a statement";
        return Err(Error::Damaged { path: path.to_owned(), line: 1, reason });
    }
    let whole = start + end as u64;
    file.set_len(whole).and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_all()).map_err(failed)
}

/// Returns the statements of a witness at the end of a file, or all if none is there.
fn recent(path: &Path, witness: &WitnessKey) -> Result<Witnesses> {
    let failed = |source| Error::File { doing: "reading the statements of", path: path.to_owned(), source };
    let mut signed = Witnesses::new(vec![witness.clone()], None)?;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(signed),
        Err(error) => return Err(failed(error)),
    };
    let (start, tail) = tail(&mut file).map_err(failed)?;
    // The first one may be cut.
    for (note, _) in notes(&tail).skip(usize::from(start > 0)) {
        signed.add(&String::from_utf8_lossy(note)).map_err(|error| Error::damaged(path, 1, error))?;
    }
    if start > 0 && signed.witnessed() == 0 {
        signed.read(path)?;
    }
    Ok(signed)
}

/// Returns the end of a file, and where it begins.
fn tail(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map(|_| (start, tail))
}

/// Returns the complete statements of a text, each with its end.
fn notes(text: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let (mut begun, mut read) = (0, 0);
    text.split_inclusive(|byte| *byte == b'\n').filter_map(move |line| {
        read += line.len();
        if line.trim_ascii().is_empty() && begun + line.len() == read {
            begun = read;
        }
        if line.starts_with(SIGNATURE.as_bytes()) && line.ends_with(b"\n") {
            let note = &text[begun..read];
            begun = read;
            return Some((note, read));
        }
        None
    })
}

/// Several times the length of a statement, in bytes.
const TAIL: u64 = 8 << 10;
