//! A backup with what opens it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::backup_folder::Backup;
use super::encryption::{ENDING, Identity, Unlock, decrypted, identity};
use super::manifest::Manifest;
use crate::error::{Error, Result};

/// The file of the [`Details`] of an encrypted backup, without its ending.
pub(super) const DETAILS: &str = "details.json";

/// Parts of the manifest that are encrypted with an encrypted backup: the digest of a small table would confirm a guess of
/// its contents, and tenants have ids.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Details {
    pub(super) contents: BTreeMap<String, String>,
    pub(super) tenants: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A backup with the key that opens its files, if they are encrypted.
pub struct OpenBackup {
    backup: Backup,
    /// The manifest, its encrypted parts included.
    pub manifest: Manifest,
    identity: Option<Identity>,
}

impl Backup {
    /// Opens it: with the key, if it is encrypted. [`Error::BackupLocked`] if `unlock` does not have the key.
    pub async fn open(&self, unlock: Unlock<'_>) -> Result<OpenBackup> {
        OpenBackup::open(self, identity(&self.manifest, unlock)?, &format!("{DETAILS}{ENDING}")).await
    }
}

impl OpenBackup {
    /// Reads the encrypted parts of the manifest, which proves the key.
    async fn open(backup: &Backup, identity: Option<Identity>, details: &str) -> Result<Self> {
        let mut open = Self { backup: backup.clone(), manifest: backup.manifest.clone(), identity };
        if open.identity.is_none() {
            return Ok(open);
        }
        let damaged = |reason: &str| Error::BackupDamaged {
            id: backup.manifest.id.clone(),
            reason: format!("{details} {reason}"),
        };
        if !backup.manifest.files.contains_key(details) {
            return Err(damaged("is missing in its manifest"));
        }
        let mut reader = open.reader(details).await?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map(|_| text)
        });
        let text = reading.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let text = text.map_err(|_| damaged("is damaged"))?;
        let read: Details = serde_json::from_slice(&text).map_err(|_| damaged("is damaged"))?;
        (open.manifest.contents, open.manifest.tenants) = (read.contents, read.tenants);
        Ok(open)
    }

    /// The backup.
    #[must_use]
    pub fn backup(&self) -> &Backup {
        &self.backup
    }

    /// A reader of the plain bytes of a file, for a thread that may block.
    pub(super) async fn reader(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let reader = self.backup.place.reader(&self.backup.name(name))?;
        let (Some(identity), id) = (self.identity.clone(), self.manifest.id.clone()) else { return Ok(reader) };
        let failed = Error::file("reading", Path::new(name));
        // Opening reads the head of the file.
        let opened = tokio::task::spawn_blocking(move || decrypted(&identity, &id, reader)).await;
        opened.map_err(|error| failed(std::io::Error::other(error)))?
    }

    /// The name of a file of this backup: with the ending of encrypted files, if it is encrypted.
    pub(super) fn stored_name(&self, name: &str) -> String {
        if self.identity.is_some() { format!("{name}{ENDING}") } else { name.to_owned() }
    }
}
