//! Backups in a folder, each a folder in it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rylie_crypto::owner_only;
use tempfile::TempDir;

use super::host_lock::try_exclusive;
use crate::backup::checksum::sync_folder;
use crate::error::{Error, Result};

const LOCK: &str = ".lock";
/// How the folder of a backup begins while it is written; a killed run leaves it.
const INCOMPLETE: &str = ".incomplete-";
/// How it begins while it is removed.
const REMOVED: &str = ".removed-";

/// The names of the folders in a folder. Empty where it does not exist.
pub(super) fn names(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let failed = Error::file("reading", folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(&failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if wanted(&name) && entry.path().is_dir() {
            names.push(name);
        }
    }
    Ok(names)
}

pub(super) fn sizes(folder: &Path, names: &[&String]) -> BTreeMap<String, u64> {
    let size = |name: &&String| Some(((*name).clone(), fs::metadata(folder.join(name)).ok()?.len()));
    names.iter().filter_map(size).collect()
}

pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(Error::file("reading", path)),
    }
}

pub(super) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("removing", path)(error)),
        _ => Ok(()),
    }
}

/// Makes the folder where it does not exist, for its owner alone.
pub(super) fn make(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make_private(folder).map_err(Error::file("making", folder))
}

pub(super) fn remove_backup(folder: &Path, id: &str) -> Result<()> {
    let _lock = lock(folder)?;
    let (path, removed) = (folder.join(id), folder.join(format!("{REMOVED}{id}")));
    fs::rename(&path, &removed).map_err(Error::file("removing", &path))?;
    fs::remove_dir_all(&removed).map_err(Error::file("removing", &removed))?;
    sync_folder(folder)
}

/// Held while a backup is written or removed. The first to come removes what killed runs left.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let failed = Error::file("locking", &path);
    let mut options = OpenOptions::new();
    let lock = owner_only(options.write(true).create(true).truncate(false)).open(&path).map_err(&failed)?;
    if try_exclusive(&lock) {
        for name in names(folder, |name| name.starts_with(INCOMPLETE) || name.starts_with(REMOVED))? {
            // An orphaned `pg_dump` may still write there. A folder that cannot be removed is left to the next run.
            let _ = fs::remove_dir_all(folder.join(name));
        }
        lock.unlock().map_err(&failed)?;
    }
    lock.lock_shared().map_err(&failed)?;
    Ok(lock)
}

/// A backup that is being written to a folder. The folder is removed when the value is dropped.
pub(in crate::backup) struct LocalBackup {
    parent: PathBuf,
    folder: TempDir,
    _lock: File,
}

impl LocalBackup {
    pub(super) fn begin(parent: &Path) -> Result<Self> {
        let failed = Error::file("making a folder in", parent);
        make(parent)?;
        let lock = lock(parent)?;
        let mut folder = tempfile::Builder::new();
        #[cfg(unix)]
        folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = folder.prefix(INCOMPLETE).tempdir_in(parent).map_err(&failed)?;
        Ok(Self { parent: parent.to_owned(), folder, _lock: lock })
    }

    pub(in crate::backup) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a file for its owner alone.
    pub(in crate::backup) fn create(&self, name: &str) -> Result<File> {
        let path = self.path().join(name);
        let mut options = OpenOptions::new();
        owner_only(options.write(true).create_new(true)).open(&path).map_err(Error::file("writing", &path))
    }

    /// Gives the folder its name. Everything is on disk when this returns.
    pub(in crate::backup) fn publish(self, id: &str) -> Result<()> {
        let path = self.parent.join(id);
        if path.exists() {
            return Err(Error::FileExists { path });
        }
        sync_folder(self.path())?;
        fs::rename(self.path(), &path).map_err(Error::file("naming", &path))?;
        // Under its old name there is nothing to remove.
        let _ = self.folder.keep();
        sync_folder(&self.parent)
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700).create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}
