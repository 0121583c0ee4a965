//! Creates a SQLite file for its owner.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Creates a missing SQLite file for its owner only. SQLite itself would create it readable for all users, and gives the
/// files next to it the same permissions. Ignores errors: SQLite then reports that it cannot open the file.
pub fn create_private(path: &Path) {
    static CREATING: Mutex<()> = Mutex::new(());
    // Closing the new file would release locks of a concurrent connection of this process.
    let _one_at_a_time = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}
