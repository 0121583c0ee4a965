//! The longest texts and JSON documents of a row.

use std::io;

use sea_orm::prelude::Json;

/// The longest text, in bytes: descriptions.
pub const MAX_TEXT_BYTES: usize = 256 * 1_024;

/// The longest JSON document of a row, in bytes.
pub const MAX_JSON_BYTES: usize = 256 * 1_024;

/// Returns whether a document has this many bytes at most.
#[must_use]
pub fn json_fits(document: &Json, most: usize) -> bool {
    serde_json::to_writer(Room(most), document).is_ok()
}

/// Counts bytes without storing them, and fails when the room is used.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::WriteZero)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
