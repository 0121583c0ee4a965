//! Encryption of backups in the format `age`: to a recipient, or to a key of the backup that a keyring seals.

#[cfg(feature = "encrypted-backups")]
mod age_format;
#[cfg(not(feature = "encrypted-backups"))]
mod not_built_in;

use std::path::Path;

use rylie_crypto::{Binding, Keyring, Padding, Sealed, Secret};

use super::manifest::{BackupEncryption, Manifest};
use crate::error::{Error, Result};

#[cfg(feature = "encrypted-backups")]
pub(super) use age_format::{Identity, Recipient, decrypted, encrypted};
#[cfg(not(feature = "encrypted-backups"))]
pub(super) use not_built_in::{Identity, Recipient, decrypted, encrypted};

/// The ending of an encrypted file's name.
pub(super) const ENDING: &str = ".age";

/// The recipient of an encrypted backup.
#[derive(Clone, Copy, Debug)]
pub enum EncryptTo<'a> {
    /// An age recipient, `age1…`. Its identity is needed to verify and to restore.
    Recipient(&'a str),
    /// A new key, sealed in the manifest by the active key of the keyring.
    Keyring(&'a Keyring),
}

/// The keys that open encrypted backups.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlock<'a> {
    /// A file of age identities, `AGE-SECRET-KEY-1…`, one a line.
    pub identity: Option<&'a Path>,
    /// The keyring.
    pub keyring: Option<&'a Keyring>,
}

/// An identity belongs to one backup.
fn binding(id: &str) -> Binding<'_> {
    Binding::new("backup", "identity", id, "")
}

impl EncryptTo<'_> {
    /// [`Error::Invalid`] for a text that is no recipient, and without the feature `encrypted-backups`.
    pub(super) fn prepare(self, id: &str) -> Result<(Recipient, BackupEncryption)> {
        let keyring = match self {
            Self::Recipient(text) => {
                let recipient = Recipient::parse(text)?;
                let recipient_text = recipient.to_text();
                return Ok((
                    recipient,
                    BackupEncryption { recipient: recipient_text, key: None, sealed_identity: None },
                ));
            }
            Self::Keyring(keyring) => keyring,
        };
        let identity = Identity::generate()?;
        let sealed = keyring.seal(&identity.to_secret(), &binding(id), Padding::default()).map_err(keys)?;
        let recipient = identity.recipient()?;
        let encryption = BackupEncryption {
            recipient: recipient.to_text(),
            key: Some(sealed.key_id().to_owned()),
            sealed_identity: Some(sealed.into_text()),
        };
        Ok((recipient, encryption))
    }
}

fn keys(source: rylie_crypto::Error) -> Error {
    Error::Data { doing: "sealing the key of the backup", source: source.into() }
}

/// The key that opens the files of a backup; `None` if it is not encrypted. [`Error::BackupLocked`] if `unlock` does not have the
/// key.
pub(super) fn identity(manifest: &Manifest, unlock: Unlock<'_>) -> Result<Option<Identity>> {
    let Some(encryption) = &manifest.encryption else { return Ok(None) };
    let id = &manifest.id;
    let locked = |reason: String| Error::BackupLocked { id: id.clone(), reason };
    let Some(sealed) = &encryption.sealed_identity else {
        let path = unlock.identity.ok_or_else(|| {
            locked(format!("it is encrypted to {}; name the file of the identity", encryption.recipient))
        })?;
        let text = std::fs::read_to_string(path).map_err(Error::file("reading the identity", path))?;
        return Identity::parse(&Secret::new(text)).map(Some);
    };
    let key = encryption.key.as_deref().unwrap_or_default();
    let keyring =
        unlock.keyring.ok_or_else(|| locked(format!("it needs the key {key}, and no keyring is configured")))?;
    let opened = Sealed::parse(sealed.as_str()).and_then(|sealed| keyring.open(&sealed, &binding(id)));
    let opened = opened.map_err(|error| locked(format!("it needs the key {key} of the keyring: {error}")))?;
    Identity::parse(&opened).map(Some)
}
