//! Files that only their owner may access. On systems other than Unix, the operator controls access.

use std::fs::{Metadata, OpenOptions};

/// Restricts files created with these options to their owner: only the owner may read and write them.
#[cfg(unix)]
pub fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

/// Returns the mode of a file that group or others may read, write or execute; otherwise `None`.
#[cfg(unix)]
#[must_use]
pub fn exposed_mode(metadata: &Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Returns the options unchanged.
#[cfg(not(unix))]
pub fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Returns `None`.
#[cfg(not(unix))]
#[must_use]
pub fn exposed_mode(_: &Metadata) -> Option<u32> {
    None
}
