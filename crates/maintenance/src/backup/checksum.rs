//! SHA-256 of files and texts, and writing so that it survives a loss of power.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};
use rylie_crypto::owner_only;

use super::manifest::BackupFile;
use crate::error::{Error, Result};

/// The SHA-256 of a text, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&SHA256, bytes))
}

/// The size and the SHA-256 of a file. Reads it once, in constant memory.
pub(super) fn of_file(path: &Path) -> Result<BackupFile> {
    let failed = Error::file("reading", path);
    let mut file = File::open(path).map_err(&failed)?;
    let (mut context, mut bytes) = (Context::new(&SHA256), 0);
    let mut part = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut part).map_err(&failed)?;
        if read == 0 {
            return Ok(BackupFile { bytes, sha256: hex::encode(context.finish()) });
        }
        context.update(&part[..read]);
        bytes += read as u64;
    }
}

/// Writes a file for its owner alone, under another name first; it is on disk when this returns.
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
