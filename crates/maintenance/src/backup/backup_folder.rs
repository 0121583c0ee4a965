//! The place of the backups: a folder or a prefix in object storage, each backup a folder in it.

use std::path::PathBuf;

use rylie_audit::{PublicKey, SignedDocument, SigningKey};

use super::certificate::RecoveryCertificate;
use super::checksum::sha256;
use super::manifest::{FORMATS, MANIFEST, Manifest, SIGNATURE, SIGNED};
use super::place::Place;
use crate::error::{Error, Result};

const CERTIFICATE: &str = "certificate.txt";

/// A folder of backups, which only its owner may read, or a prefix in object storage.
#[derive(Clone, Debug)]
pub struct BackupFolder {
    pub(super) place: Place,
}

/// A backup with a manifest that can be read.
#[derive(Clone, Debug)]
pub struct Backup {
    pub(super) place: Place,
    /// Its manifest.
    pub manifest: Manifest,
    /// The SHA-256 of the manifest's file.
    pub sha256: String,
}

/// A backup as a list shows it.
#[derive(Clone, Debug)]
pub struct ListedBackup {
    /// Its id.
    pub id: String,
    /// The backup, or the reason for which it cannot be read.
    pub backup: std::result::Result<Backup, String>,
    /// Its certificate, if it has a valid one for its present manifest that a trusted key signed.
    pub certificate: Option<RecoveryCertificate>,
    /// The key of a certificate that counts for nothing, because its key is not trusted.
    pub unknown_signer: Option<PublicKey>,
    /// Whether each of its files is there and has its size.
    pub is_whole: bool,
}

impl ListedBackup {
    /// The backup, if a drill has proven it and each of its files still has its size.
    #[must_use]
    pub fn verified(&self) -> Option<&Backup> {
        let backup = self.backup.as_ref().ok()?;
        (self.certificate.is_some() && self.is_whole).then_some(backup)
    }
}

impl BackupFolder {
    /// The backups at a path, or at `s3://bucket/prefix` with the feature `object-storage`. Nothing is read.
    /// [`Error::Invalid`] for any other address.
    ///
    /// Credentials, region and endpoint of object storage come from the environment, as for AWS's tools
    /// (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT`, …), or from the machine's role.
    pub fn new(place: &str) -> Result<Self> {
        Ok(Self { place: Place::parse(place)? })
    }

    /// Its path, or its address in object storage.
    #[must_use]
    pub fn address(&self) -> String {
        self.place.address("")
    }

    /// Reads one backup. [`Error::NoBackup`] if there is none of this id, [`Error::BackupDamaged`] if its manifest cannot be
    /// read. In object storage a backup without a manifest does not exist. One request there.
    pub async fn get(&self, id: &str) -> Result<Backup> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let missing = || Error::NoBackup { id: id.to_owned(), folder: self.address() };
        if id.is_empty() || !id.chars().all(plain) {
            return Err(missing());
        }
        let folder = self.place.path(id);
        if folder.as_ref().is_some_and(|folder| !folder.is_dir()) {
            return Err(missing());
        }
        let damaged = |reason: &str| Error::BackupDamaged { id: id.to_owned(), reason: reason.to_owned() };
        let text = match self.place.read(&format!("{id}/{MANIFEST}")).await? {
            Some(text) => text,
            None if folder.is_some() => return Err(damaged("its manifest is missing")),
            None => return Err(missing()),
        };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| damaged("its manifest is no manifest"))?;
        if !FORMATS.contains(&manifest.format) {
            return Err(damaged("its manifest has a format that this version does not know"));
        }
        if manifest.id != id {
            return Err(damaged("its manifest is that of another backup"));
        }
        if let Some(name) = manifest.files.keys().find(|name| !is_plain(name)) {
            return Err(damaged(&format!("its manifest names a file outside the backup: {name}")));
        }
        Ok(Backup { place: self.place.clone(), manifest, sha256: sha256(&text) })
    }

    /// Every backup, the newest first. Empty where the folder does not exist.
    ///
    /// A certificate counts if one of the `trusted` keys signed it: any writer of the place can store one that another
    /// key signed. Reads three small files a backup. A backup that cannot be read is listed, and is no error.
    pub async fn list(&self, trusted: &[PublicKey]) -> Result<Vec<ListedBackup>> {
        let mut listed = Vec::new();
        for id in self.place.ids().await? {
            let backup = match self.get(&id).await {
                // Other objects are no backup.
                Err(Error::NoBackup { .. }) => continue,
                backup => backup,
            };
            let mut one = ListedBackup {
                id,
                backup: Err(String::new()),
                certificate: None,
                unknown_signer: None,
                is_whole: false,
            };
            match backup {
                Err(error @ Error::BackupDamaged { .. }) => one.backup = Err(error.to_string()),
                Err(error) => return Err(error),
                Ok(backup) => {
                    match backup.certificate().await? {
                        Some((certificate, key)) if trusted.contains(&key) => one.certificate = Some(certificate),
                        Some((_, key)) => one.unknown_signer = Some(key),
                        None => {}
                    }
                    one.is_whole = backup.is_whole().await?;
                    one.backup = Ok(backup);
                }
            }
            listed.push(one);
        }
        listed.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(listed)
    }

    /// The backups with a manifest that can be read, the newest first. One small file each.
    pub async fn readable(&self) -> Result<Vec<Backup>> {
        let mut backups = Vec::new();
        for id in self.place.ids().await? {
            match self.get(&id).await {
                Err(Error::NoBackup { .. } | Error::BackupDamaged { .. }) => {}
                backup => backups.push(backup?),
            }
        }
        backups.sort_by(|one, other| other.manifest.id.cmp(&one.manifest.id));
        Ok(backups)
    }
}

/// Whether a name of a manifest stays within its backup.
fn is_plain(name: &str) -> bool {
    !name.contains('\\') && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

impl Backup {
    pub(super) fn of(folder: &BackupFolder, manifest: Manifest, sha256: String) -> Self {
        Self { place: folder.place.clone(), manifest, sha256 }
    }

    pub(super) fn name(&self, file: &str) -> String {
        format!("{}/{file}", self.manifest.id)
    }

    /// The path of its folder, or its address in object storage.
    #[must_use]
    pub fn address(&self) -> String {
        self.place.address(&self.manifest.id)
    }

    /// The path of one of its files, if it is in a folder.
    #[must_use]
    pub fn path(&self, file: &str) -> Option<PathBuf> {
        self.place.path(&self.name(file))
    }

    /// The address of its certificate, if it has one.
    #[must_use]
    pub fn certificate_address(&self) -> String {
        self.place.address(&self.name(CERTIFICATE))
    }

    /// Its certificate, if that is valid and for the present manifest, and the key that signed it. Whether that key is
    /// trusted is for the caller to decide.
    pub async fn certificate(&self) -> Result<Option<(RecoveryCertificate, PublicKey)>> {
        let Some(text) = self.place.read(&self.name(CERTIFICATE)).await? else { return Ok(None) };
        let Ok((certificate, key)) = RecoveryCertificate::parse(&String::from_utf8_lossy(&text)) else {
            return Ok(None);
        };
        let is_of_it = certificate.sha256 == self.sha256 && certificate.backup == self.manifest.id;
        Ok(is_of_it.then_some((certificate, key)))
    }

    /// Signs a certificate and stores it with the backup; returns where.
    pub async fn certify(&self, certificate: &RecoveryCertificate, key: &SigningKey) -> Result<String> {
        self.place.write(&self.name(CERTIFICATE), &certificate.sign(key)).await?;
        Ok(self.certificate_address())
    }

    /// Removes its certificate: a drill has found damage.
    pub async fn withdraw_certificate(&self) -> Result<()> {
        self.place.remove_file(&self.name(CERTIFICATE)).await
    }

    /// The key that signed its manifest; `None` for a manifest that is not signed. [`Error::BackupDamaged`] for a signature
    /// that is not valid for the manifest.
    pub async fn signed_by(&self) -> Result<Option<PublicKey>> {
        let Some(text) = self.place.read(&self.name(SIGNATURE)).await? else { return Ok(None) };
        match SignedDocument::parse(SIGNED, &String::from_utf8_lossy(&text)) {
            Ok(signed) if signed.document["sha256"] == self.sha256.as_str() => Ok(Some(signed.key)),
            _ => Err(Error::BackupDamaged {
                id: self.manifest.id.clone(),
                reason: "its manifest was changed after it was signed".to_owned(),
            }),
        }
    }

    async fn is_whole(&self) -> Result<bool> {
        let names: Vec<&String> = self.manifest.files.keys().collect();
        let sizes = self.place.sizes(&self.manifest.id, &names).await?;
        Ok(self.manifest.files.iter().all(|(name, file)| sizes.get(name) == Some(&file.bytes)))
    }
}
