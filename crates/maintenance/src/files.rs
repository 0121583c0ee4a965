//! Files and folders for their owner alone.

mod entries;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rylie_crypto::owner_only;
use tempfile::TempDir;

use crate::error::{Error, Result};

pub(crate) use entries::{NewEntry, begin_entry, names, remove_entry};

/// Makes a folder, and those above it that are missing.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::file("making", path))
}

/// Makes a folder that is removed when the value is dropped.
pub(crate) fn temporary_folder(prefix: &str, parent: &Path) -> Result<TempDir> {
    let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).prefix(prefix).tempdir_in(parent);
    folder.map_err(Error::file("making a folder in", parent))
}

/// Makes a file that does not exist.
pub(crate) fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    owner_only(options.write(true).create_new(true)).open(path).map_err(Error::file("writing", path))
}

/// Opens a file whose lock counts, and makes it if it is missing.
pub(crate) fn open_lock(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    owner_only(options.write(true).create(true).truncate(false)).open(path).map_err(Error::file("locking", path))
}

/// Reads a file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(Error::file("reading", path)),
    }
}

/// Writes a file under another name first; it is on disk when this returns.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<()> {
    let failed = Error::file("writing", path);
    let other = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = owner_only(options.write(true).create(true).truncate(true)).open(&other).map_err(&failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(&failed)?;
    fs::rename(&other, path).map_err(&failed)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder survive a loss of power.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file("syncing", folder))
}

/// Removes a file, if there is one.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("removing", path)(error)),
        _ => Ok(()),
    }
}

/// Runs work on files where it blocks no other task.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::File { doing: doing.to_owned(), source: std::io::Error::other(error) }))
}
