//! The keys named by the configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rylie_crypto::{KeyFile, Keyring, LegacyKey};
use rylie_repositories::{KeySource, Keys};

use crate::config::Config;
use crate::error::{Error, Result};

/// Reads the keyring's file, if one is named. The old service's key alone opens nothing: what is read is to be
/// sealed by a keyring when it is written again.
pub(crate) fn read(config: &Config) -> Result<Option<Keys>> {
    let Some(path) = &config.keyring else { return Ok(None) };
    let keyring = KeyFile::new(path).load().map_err(Error::Keys)?;
    with_legacy_key(keyring, config).map(Some)
}

/// A keyring with the old service's key and the policies that the configuration names.
pub(crate) fn with_legacy_key(keyring: Keyring, config: &Config) -> Result<Keys> {
    let legacy = config.encryption_key().map(|key| LegacyKey::new(&key)).transpose().map_err(Error::Keys)?;
    Ok(Keys::new(keyring, legacy).with_policies(config.secrets.clone()))
}

/// The keyring's file, looked at whenever a unit opens: a rotation takes hold in every process without a word to it.
pub(crate) struct WatchedKeyring {
    config: Arc<Config>,
    path: PathBuf,
    seen: Mutex<Option<Stamp>>,
}

impl WatchedKeyring {
    /// `None` without a keyring. Made before the keys are read, so that no change falls in between.
    pub(crate) fn new(config: &Arc<Config>) -> Option<Self> {
        let path = config.keyring.clone()?;
        let seen = Mutex::new(stamp(&path));
        Some(Self { config: Arc::clone(config), path, seen })
    }
}

impl KeySource for WatchedKeyring {
    /// A file that cannot be read is told once in the log, and the keys from before go on: nothing that opened is lost.
    fn changed(&self) -> Option<Keys> {
        let now = stamp(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return None;
        }
        *seen = now;
        read(&self.config).unwrap_or_else(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(cause, "the keyring's file changed and cannot be read; the keys from before are used");
            None
        })
    }
}

/// What changes whenever a file is replaced, written, or given to others.
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
