//! An output file for its owner only, which appears when it is complete.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::failure::{Failure, Result};

/// A temporary file next to its target. Dropping it before [`publish`](Self::publish) leaves nothing.
pub(crate) struct NewFile {
    path: PathBuf,
    to: BufWriter<File>,
    /// The temporary path; `None` for a pipe or a device, which is written directly.
    beside: Option<TempPath>,
    force: bool,
}

impl NewFile {
    /// Creates the file. Refuses an existing path without `force`.
    pub(crate) fn create(path: &Path, force: bool) -> Result<Self> {
        // Overwrites the target of a link; the link stays.
        let path = path.canonicalize().ok().filter(|_| force).unwrap_or_else(|| path.to_owned());
        let failed = |source| Failure::File { doing: format!("creating {}", path.display()), source };
        let (file, beside) = match path.metadata() {
            Ok(there) if !there.is_file() && !there.is_dir() => {
                (OpenOptions::new().write(true).open(&path).map_err(failed)?, None)
            }
            _ if !force && path.symlink_metadata().is_ok() => return Err(taken(&path)),
            _ => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let made = tempfile::Builder::new().prefix(".rylie-").tempfile_in(folder).map_err(failed)?;
                let (file, beside) = made.into_parts();
                (file, Some(beside))
            }
        };
        Ok(Self { path, to: BufWriter::new(file), beside, force })
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.to, "{text}").map_err(|source| failed(&self.path, source))
    }

    /// Renames the file to its target.
    pub(crate) fn publish(self) -> Result<()> {
        let Self { path, to, beside, force } = self;
        let file = to.into_inner().map_err(|error| failed(&path, error.into_error()))?;
        let Some(beside) = beside else { return Ok(()) };
        file.sync_all().map_err(|source| failed(&path, source))?;
        let named = if force { beside.persist(&path) } else { beside.persist_noclobber(&path) };
        named.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => taken(&path),
            _ => failed(&path, error.error),
        })
    }
}

fn taken(path: &Path) -> Failure {
    Failure::Refused(format!("{} exists; name another file, or add --force to overwrite it", path.display()))
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::File { doing: format!("writing {}", path.display()), source }
}
