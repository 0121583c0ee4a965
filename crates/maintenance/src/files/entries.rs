//! A folder whose entries are folders. Each appears and disappears as a whole, also where a run is killed.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{open_lock, sync_folder, temporary_folder};
use crate::error::{Error, Result};

/// How the name of an entry begins while it is written; a killed run leaves it.
const INCOMPLETE: &str = ".incomplete-";
/// How it begins while it is removed.
const REMOVED: &str = ".removed-";

/// An entry that is being written. It is removed when the value is dropped.
pub(crate) struct NewEntry {
    parent: PathBuf,
    folder: TempDir,
    _lock: File,
}

/// Begins an entry that no list shows. Removes what killed runs left.
pub(crate) fn begin_entry(parent: &Path, lock: &Path) -> Result<NewEntry> {
    let lock = locked(parent, lock)?;
    Ok(NewEntry { parent: parent.to_owned(), folder: temporary_folder(INCOMPLETE, parent)?, _lock: lock })
}

impl NewEntry {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the folder its name, and returns its path. Everything is on disk then, if its files were synced.
    pub(crate) fn publish(self, name: &str) -> Result<PathBuf> {
        let path = self.parent.join(name);
        if path.exists() {
            return Err(Error::FileExists { path });
        }
        sync_folder(self.path())?;
        fs::rename(self.path(), &path).map_err(Error::file("naming", &path))?;
        // Under its old name there is nothing to remove.
        let _ = self.folder.keep();
        sync_folder(&self.parent)?;
        Ok(path)
    }
}

/// Removes an entry: it is gone from every list first.
pub(crate) fn remove_entry(parent: &Path, lock: &Path, name: &str) -> Result<()> {
    let _lock = locked(parent, lock)?;
    let (path, removed) = (parent.join(name), parent.join(format!("{REMOVED}{name}")));
    fs::rename(&path, &removed).map_err(Error::file("removing", &path))?;
    fs::remove_dir_all(&removed).map_err(Error::file("removing", &removed))?;
    sync_folder(parent)
}

/// The names in a folder, in no order. Empty where it does not exist.
pub(crate) fn names(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let failed = Error::file("reading", folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(&failed)?,
    };
    let names = entries.map(|entry| Ok(entry.map_err(&failed)?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<Result<_>>()?;
    Ok(names.into_iter().filter(|name| wanted(name)).collect())
}

/// Held while an entry is written or removed. The first to come removes what killed runs left.
fn locked(parent: &Path, path: &Path) -> Result<File> {
    let failed = Error::file("locking", path);
    let lock = open_lock(path)?;
    if lock.try_lock().is_ok() {
        for name in names(parent, |name| name.starts_with(INCOMPLETE) || name.starts_with(REMOVED))? {
            // An orphaned program may still write there. A folder that cannot be removed is left to the next run.
            let _ = fs::remove_dir_all(parent.join(name));
        }
        lock.unlock().map_err(&failed)?;
    }
    lock.lock_shared().map_err(failed)?;
    Ok(lock)
}
