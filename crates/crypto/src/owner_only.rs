//! Files for their owner alone. Off Unix, access control is the operator's.

use std::fs::{Metadata, OpenOptions};

/// So that a file which these options make may be read and written by its owner alone.
#[cfg(unix)]
pub fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

/// The mode of a file that group or others may read, write or execute; `None` for one that is its owner's alone.
#[cfg(unix)]
#[must_use]
pub fn exposed_mode(metadata: &Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// The options as they are.
#[cfg(not(unix))]
pub fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Always `None`.
#[cfg(not(unix))]
#[must_use]
pub fn exposed_mode(_: &Metadata) -> Option<u32> {
    None
}
