//! Locks that tell runs of this host that were killed from running ones.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};

use rylie_crypto::owner_only;

use crate::backup::checksum::{random, sha256};
use crate::error::{Error, Result};

/// A lock of this host for a place elsewhere, held until it is dropped. Its file holds a random text, which names this
/// host's runs there: containers with files of their own have another.
#[derive(Debug)]
pub(super) struct HostLock {
    lock: Option<File>,
    pub(super) token: String,
}

impl HostLock {
    /// Takes the lock. The second value tells whether no other run of this host had it; it is held exclusively then. If the
    /// file belongs to another user, there is no lock, and the run counts as one of another host.
    pub(super) fn take(place: &str) -> Result<(Self, bool)> {
        let name = format!("rylie-backup-{}.lock", &sha256(place.as_bytes())[..32]);
        let path = std::env::temp_dir().join(name);
        let failed = Error::file("locking", &path);
        let mut options = OpenOptions::new();
        let opened = owner_only(options.read(true).write(true).create(true).truncate(false)).open(&path);
        let mut lock = match opened {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Ok((Self { lock: None, token: random()? }, false));
            }
            opened => opened.map_err(&failed)?,
        };
        let alone = lock.try_lock().is_ok();
        let mut token = String::new();
        lock.read_to_string(&mut token).map_err(&failed)?;
        if token.is_empty() {
            // Another run may write one at the same time: both then count as of another host, which only delays.
            token = random()?;
            lock.write_all(token.as_bytes()).map_err(&failed)?;
        }
        Ok((Self { lock: Some(lock), token }, alone))
    }

    /// Lets other runs of this host begin; the lock stays held, shared.
    pub(super) fn share(&self) -> Result<()> {
        let failed = Error::file("sharing the lock of", &std::env::temp_dir());
        let Some(lock) = &self.lock else { return Ok(()) };
        lock.unlock().and_then(|()| lock.lock_shared()).map_err(failed)
    }
}
