//! The data directory of a restore: made ready for the server, and given its name.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::copy_folder;
use super::verify::BACKUP_MANIFEST;
use crate::error::{Error, Result};
use crate::files::{remove_file, sync_folder, temporary_folder};
use crate::os_user::OsUser;

/// [`Error::FileExists`] unless the directory is missing or empty.
pub(super) fn refuse_full(into: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(into) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::file("reading", into))?,
    };
    if entries.next().is_some() { Err(Error::FileExists { path: into.to_owned() }) } else { Ok(()) }
}

/// Adds the WAL, and makes the directory one that the server recovers.
pub(super) fn prepare(
    data: &Path,
    log: &[(PathBuf, String)],
    histories: &[PathBuf],
    user: Option<OsUser>,
) -> Result<()> {
    for name in ["standby.signal", "recovery.signal", "postmaster.pid", BACKUP_MANIFEST] {
        remove_file(&data.join(name))?;
    }
    for (from, name) in log {
        copy_segment(from, &data.join("pg_wal").join(name))?;
    }
    for from in histories {
        let to = data.join("pg_wal").join(from.file_name().unwrap_or_default());
        fs::copy(from, to).map_err(Error::file("copying", from))?;
    }
    let signal = data.join("recovery.signal");
    fs::write(&signal, "").map_err(Error::file("writing", &signal))?;
    match (user, data.parent()) {
        (Some(user), Some(work)) => user.own(work),
        _ => Ok(()),
    }
}

/// The receiver may have completed a segment since it was listed.
fn copy_segment(from: &Path, to: &Path) -> Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let complete = from.with_extension("");
            fs::copy(&complete, to).map(drop).map_err(Error::file("copying", &complete))
        }
        done => done.map(drop).map_err(Error::file("copying", from)),
    }
}

/// Gives the restored directory its name.
pub(super) fn place(data: &Path, into: &Path, user: Option<OsUser>) -> Result<()> {
    refuse_full(into)?;
    let failed = Error::file("naming", into);
    match fs::rename(data, into) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let beside = temporary_folder(".rylie-restore-", into.parent().unwrap_or(Path::new("/")))?;
            let copy = beside.path().join("data");
            copy_folder(data, &copy)?;
            sync_all(&copy)?;
            user.map_or(Ok(()), |user| user.own(&copy))?;
            fs::rename(&copy, into).map_err(&failed)?;
        }
        done => done.map_err(&failed)?,
    }
    into.parent().map_or(Ok(()), sync_folder)
}

fn sync_all(folder: &Path) -> Result<()> {
    let failed = Error::file("syncing", folder);
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            fs::File::open(&path).and_then(|file| file.sync_all()).map_err(&failed)?;
        }
    }
    sync_folder(folder)
}
