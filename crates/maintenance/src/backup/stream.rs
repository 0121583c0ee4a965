//! A stream that becomes a file of a backup.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::checksum::Measured;
use super::encryption::{Recipient, encrypted};
use super::manifest::BackupFile;

/// How much is read and written at once.
const PIECE: usize = 1 << 16;

/// A stream that becomes a file of a backup.
pub(super) struct Stream {
    /// Its bytes; it is read on a thread that may block.
    pub(super) from: Box<dyn Read + Send>,
    /// To whom it is encrypted.
    pub(super) to: Option<Recipient>,
    /// About how many bytes there will be: object storage chooses the size of its parts by it.
    #[cfg_attr(not(feature = "object-storage"), expect(dead_code, reason = "a folder needs no size"))]
    pub(super) expected: u64,
    /// Counts the bytes that were read.
    pub(super) read: Arc<AtomicU64>,
}

impl Stream {
    pub(super) fn of(from: Box<dyn Read + Send>, to: Option<Recipient>, expected: u64) -> Self {
        Self { from, to, expected, read: Arc::new(AtomicU64::new(0)) }
    }
}

/// Copies a stream to the end, encrypting it; returns the size and checksum of what was written.
pub(super) fn copy<W: Write + Send + 'static>(stream: Stream, to: W) -> std::io::Result<(W, BackupFile)> {
    let Stream { mut from, to: recipient, read, .. } = stream;
    let measured = Measured::new(to);
    let mut piece = vec![0; PIECE];
    let mut write = |to: &mut dyn Write| -> std::io::Result<()> {
        loop {
            match from.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    to.write_all(&piece[..length])?;
                    read.fetch_add(length as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    let mut measured = if let Some(recipient) = recipient {
        encrypted(&recipient, measured, &mut write)?
    } else {
        let mut measured = measured;
        write(&mut measured)?;
        measured
    };
    measured.flush()?;
    Ok(measured.finish())
}
