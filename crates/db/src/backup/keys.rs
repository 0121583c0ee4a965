//! The keys of backups: to encrypt them, to open them, and to believe their signatures.

use std::path::Path;

use rylie_audit::{PublicKey, SigningKey};
use rylie_crypto::{KeyFile, Keyring};
use rylie_maintenance::{Backup, EncryptTo, OpenBackup, Unlock};

use crate::config::Config;
use crate::error::{Error, Result};

/// The word that means the keyring.
const KEYRING: &str = "keyring";

/// The recipient of a backup.
pub(super) enum Encryption {
    Recipient(String),
    Keyring(Keyring),
}

impl Encryption {
    pub(super) fn to(&self) -> EncryptTo<'_> {
        match self {
            Self::Recipient(recipient) => EncryptTo::Recipient(recipient),
            Self::Keyring(keyring) => EncryptTo::Keyring(keyring),
        }
    }
}

impl Config {
    /// The keys whose certificates, manifests and lists of erasures are believed: that of `audit_key`, if its file can
    /// be read, and those of `audit_public_key`. Fails with [`Error::Config`] for a malformed key of
    /// `audit_public_key`, and with [`Error::Repository`] for a malformed file of `audit_key`.
    pub fn known_audit_keys(&self) -> Result<Vec<PublicKey>> {
        let wrong = |error: rylie_audit::Error| Error::Config {
            setting: "audit_public_key".to_owned(),
            reason: error.to_string(),
        };
        let texts = self.maintenance.audit_public_key.as_deref().unwrap_or_default().split(',').map(str::trim);
        let keys = texts.filter(|text| !text.is_empty()).map(PublicKey::parse);
        let mut keys: Vec<PublicKey> = keys.collect::<rylie_audit::Result<_>>().map_err(wrong)?;
        let own = self.audit_key().filter(|path| std::fs::File::open(path).is_ok());
        keys.extend(own.map(SigningKey::load).transpose()?.map(|key| key.public()));
        Ok(keys)
    }

    pub(super) fn backup_encryption(&self, text: Option<&str>) -> Result<Option<Encryption>> {
        match text.or(self.maintenance.backup_encrypt.as_deref()) {
            None => Ok(None),
            Some(KEYRING) => {
                let path = self.keyring().ok_or(rylie_repositories::Error::NoKeyring)?;
                KeyFile::new(path).load().map(|keyring| Some(Encryption::Keyring(keyring))).map_err(Error::Keys)
            }
            Some(recipient) => Ok(Some(Encryption::Recipient(recipient.to_owned()))),
        }
    }

    /// Opens a backup with the keyring, or with the file of an identity; without one with the setting `backup_identity`.
    pub(super) async fn open_backup(&self, backup: &Backup, identity: Option<&Path>) -> Result<OpenBackup> {
        let of_keyring = backup.manifest.encryption.as_ref().is_some_and(|encryption| encryption.key.is_some());
        let path = self.keyring().filter(|_| of_keyring);
        let keyring = path.map(|path| KeyFile::new(path).load()).transpose().map_err(Error::Keys)?;
        let identity = identity.or(self.maintenance.backup_identity.as_deref());
        Ok(backup.open(Unlock { identity, keyring: keyring.as_ref() }).await?)
    }
}
