//! A folder for a plain copy of a database that must not reach the medium of the backups.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::address::file_of;
use crate::error::{Error, Result};
use crate::files::{create, temporary_folder};

/// How its name begins.
const PREFIX: &str = ".rylie-scratch-";

/// The file in it that its process has locked: killed runs are told from running ones by it.
const LOCK: &str = "lock";

/// A folder that only its owner may read. It is removed when the value is dropped.
pub(super) struct PrivateFolder {
    folder: TempDir,
    _lock: File,
}

impl PrivateFolder {
    /// Makes one beside the file of the database of a URL, which holds the same plain data; in the system's folder for
    /// temporary files where that folder does not exist. Removes what killed runs left there.
    pub(super) fn beside(url: &str) -> Result<Self> {
        Self::within(&parent_of(url).unwrap_or_else(std::env::temp_dir))
    }

    /// Makes one in the system's folder for temporary files.
    pub(super) fn temporary() -> Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    fn within(parent: &Path) -> Result<Self> {
        sweep(parent);
        let folder = temporary_folder(PREFIX, parent)?;
        let path = folder.path().join(LOCK);
        let lock = create(&path)?;
        lock.lock_shared().map_err(Error::file("locking", &path))?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its path, which must be UTF-8.
    pub(super) fn text(&self) -> Result<&str> {
        self.folder.path().to_str().ok_or_else(not_text)
    }

    /// The path of a file in it, for SQLite: it must be UTF-8.
    pub(super) fn file(&self, name: &str) -> Result<String> {
        self.folder.path().join(name).into_os_string().into_string().map_err(|_| not_text())
    }
}

fn not_text() -> Error {
    Error::invalid("the folder of a scratch copy", "its path must be UTF-8")
}

fn parent_of(url: &str) -> Option<PathBuf> {
    let file = file_of(url).ok()?;
    let parent = Path::new(&file).parent()?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    parent.is_dir().then(|| parent.to_owned())
}

/// Removes folders whose process has ended. One without its file is being made.
fn sweep(parent: &Path) {
    for entry in parent.read_dir().into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            // Of another user, it may not be removed.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
