//! SHA-256 of files and texts, and writing so that it survives a loss of power.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use rylie_crypto::owner_only;

use super::manifest::BackupFile;
use crate::error::{Error, Result};

/// The SHA-256 of a text, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&SHA256, bytes))
}

/// Sixteen random digits.
pub(super) fn random() -> Result<String> {
    let mut bytes = [0; 8];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::invalid("the system's randomness", "it must be available"))?;
    Ok(hex::encode(bytes))
}

/// The size and the SHA-256 of what a reader has. Reads it once, in constant memory.
pub(super) fn of_reader(mut from: impl Read) -> std::io::Result<BackupFile> {
    let mut measured = Measured::new(std::io::sink());
    std::io::copy(&mut from, &mut measured)?;
    Ok(measured.finish().1)
}

/// The size and the SHA-256 of a file.
pub(super) fn of_file(path: &Path) -> Result<BackupFile> {
    File::open(path).and_then(of_reader).map_err(Error::file("reading", path))
}

/// A writer that measures what passes.
pub(super) struct Measured<W> {
    to: W,
    context: Context,
    bytes: u64,
}

impl<W> Measured<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, context: Context::new(&SHA256), bytes: 0 }
    }

    pub(super) fn finish(self) -> (W, BackupFile) {
        (self.to, BackupFile { bytes: self.bytes, sha256: hex::encode(self.context.finish()) })
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.context.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
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
