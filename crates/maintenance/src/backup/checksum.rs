//! SHA-256 of files and texts.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};
use ring::rand::{SecureRandom, SystemRandom};

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
