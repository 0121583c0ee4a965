//! The keys of the configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rylie_crypto::{KeyFile, Keyring, LegacyKey};
use rylie_repositories::{KeySource, Keys};

use crate::config::Config;
use crate::error::{Error, Result};

/// Reads the keyring's file, if one is set. The old service's key alone is not used: a value that is read must be
/// sealed by a keyring when it is written again.
pub(crate) fn read(config: &Config) -> Result<Option<Keys>> {
    let Some(path) = &config.keyring else { return Ok(None) };
    let keyring = KeyFile::new(path).load().map_err(Error::Keys)?;
    with_legacy_key(keyring, config).map(Some)
}

/// Combines a keyring with the old service's key and the policies of the configuration.
pub(crate) fn with_legacy_key(keyring: Keyring, config: &Config) -> Result<Keys> {
    let legacy = config.encryption_key().map(|key| LegacyKey::new(&key)).transpose().map_err(Error::Keys)?;
    Ok(Keys::new(keyring, legacy).with_policies(config.secrets.clone()))
}

/// The keyring's file, checked whenever a unit opens. A rotation takes effect in every process without a restart.
pub(crate) struct WatchedKeyring {
    config: Arc<Config>,
    path: PathBuf,
    seen: Mutex<Seen>,
}

/// The state of the file at the last read, and at the last failure.
#[derive(Default)]
struct Seen {
    read: Option<Stamp>,
    /// Ensures that an error is logged once per change, and not once per unit.
    failed: Option<Unreadable>,
}

/// The stamp of a file that could not be read; `None` if it was missing.
#[derive(Eq, PartialEq)]
struct Unreadable(Option<Stamp>);

impl WatchedKeyring {
    /// Returns `None` without a keyring. Call it before the keys are read, so that no change is missed.
    pub(crate) fn new(config: &Arc<Config>) -> Option<Self> {
        let path = config.keyring.clone()?;
        let seen = Mutex::new(Seen { read: stamp(&path), failed: None });
        Some(Self { config: Arc::clone(config), path, seen })
    }
}

impl KeySource for WatchedKeyring {
    /// Returns new keys after a change. If the file cannot be read, the previous keys stay in use, so that readable
    /// values stay readable. The log reports this once. The next unit tries again, because the cause may pass without a
    /// change of the file.
    fn changed(&self) -> Option<Keys> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).changed(stamp(&self.path), || read(&self.config))
    }
}

impl Seen {
    fn changed<T>(&mut self, now: Option<Stamp>, read: impl FnOnce() -> Result<Option<T>>) -> Option<T> {
        if self.read == now {
            return None;
        }
        match read() {
            Ok(keys) => {
                *self = Self { read: now, failed: None };
                keys
            }
            Err(error) => {
                let failed = Some(Unreadable(now));
                if self.failed != failed {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(
                        cause,
                        "the keyring's file changed and cannot be read; the previous keys stay in use, and the next unit tries again"
                    );
                }
                self.failed = failed;
                None
            }
        }
    }
}

/// Changes whenever a file is replaced or written, or its permissions change.
type Stamp = (u64, i64, i64);

#[cfg(unix)]
fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.ctime(), file.ctime_nsec()))
}

#[cfg(not(unix))]
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    let written = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((file.len(), i64::try_from(written.as_secs()).ok()?, i64::from(written.subsec_nanos())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Result<Option<u32>> {
        Err(Error::Config { setting: "keyring".to_owned(), reason: "too many open files".to_owned() })
    }

    #[test]
    fn a_file_that_could_not_be_read_for_a_moment_is_read_by_the_next_unit() {
        let [before, after] = [stamp(Path::new("/")), stamp(Path::new("."))];
        assert_ne!(before, after);
        let mut seen = Seen { read: before, failed: None };

        assert_eq!(seen.changed(after, failed), None);
        assert_eq!(seen.changed(after, || Ok(Some(2))), Some(2));
        assert_eq!(seen.changed(after, || Ok(Some(3))), None, "it is read once a change");
    }
}
