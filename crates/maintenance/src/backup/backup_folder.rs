//! The folder of the backups, each a folder in it.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rylie_audit::{PublicKey, SignedDocument, SigningKey};
use rylie_crypto::owner_only;
use serde_json::json;
use tempfile::TempDir;

use super::certificate::RecoveryCertificate;
use super::checksum::{sha256, sync_folder, write_file};
use super::manifest::{FORMAT, Manifest};
use crate::error::{Error, Result};

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const CERTIFICATE: &str = "certificate.txt";
const LOCK: &str = ".lock";
/// How the folder of a backup begins while it is written; a killed run leaves it.
const INCOMPLETE: &str = ".incomplete-";
/// How it begins while it is removed.
const REMOVED: &str = ".removed-";
const KIND: &str = "backup manifest";

/// A folder of backups. Only its owner may read it.
#[derive(Clone, Debug)]
pub struct BackupFolder {
    path: PathBuf,
}

/// A backup with a manifest that can be read.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Its folder.
    pub path: PathBuf,
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
    /// Its certificate, if it has a valid one for its present manifest.
    pub certificate: Option<RecoveryCertificate>,
}

impl ListedBackup {
    /// The backup, if a drill has proven it and each of its files still has its size.
    #[must_use]
    pub fn verified(&self) -> Option<&Backup> {
        let backup = self.backup.as_ref().ok()?;
        (self.certificate.is_some() && backup.is_whole()).then_some(backup)
    }
}

impl BackupFolder {
    /// The folder at a path. [`Error::Invalid`] for an address of object storage, which is not supported for backups.
    pub fn new(place: &str) -> Result<Self> {
        if place.is_empty() || place.contains("://") {
            return Err(Error::invalid("the place of backups", "it must be a folder"));
        }
        Ok(Self { path: place.into() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads one backup. [`Error::NoBackup`] if there is none of this id, [`Error::BackupDamaged`] if its manifest cannot be
    /// read.
    pub fn get(&self, id: &str) -> Result<Backup> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let path = self.path.join(id);
        if id.is_empty() || !id.chars().all(plain) || !path.is_dir() {
            return Err(Error::NoBackup { id: id.to_owned(), folder: self.path.clone() });
        }
        let damaged = |reason: &str| Error::BackupDamaged { id: id.to_owned(), reason: reason.to_owned() };
        let text = match fs::read(path.join(MANIFEST)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(damaged("its manifest is missing")),
            Err(error) => return Err(Error::file("reading", &path.join(MANIFEST))(error)),
        };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| damaged("its manifest is no manifest"))?;
        if manifest.format != FORMAT {
            return Err(damaged("its manifest has a format that this version does not know"));
        }
        if manifest.id != id {
            return Err(damaged("its manifest is that of another backup"));
        }
        Ok(Backup { path, manifest, sha256: sha256(&text) })
    }

    /// Every backup, the newest first. Empty where the folder does not exist.
    pub fn list(&self) -> Result<Vec<ListedBackup>> {
        let mut listed = Vec::new();
        for id in self.names(|name| !name.starts_with('.'))? {
            let backup = self.get(&id);
            let certificate = backup.as_ref().ok().and_then(Backup::certificate);
            listed.push(ListedBackup { id, backup: backup.map_err(|error| error.to_string()), certificate });
        }
        listed.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(listed)
    }

    fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let failed = Error::file("reading", &self.path);
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(&failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(&failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if wanted(&name) && entry.path().is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Makes the folder where it does not exist.
    pub(super) fn make(&self) -> Result<()> {
        if self.path.is_dir() {
            return Ok(());
        }
        make_private(&self.path).map_err(Error::file("making", &self.path))
    }

    /// Begins a backup in a folder that no list shows. The folder is removed when the value is dropped.
    pub(super) fn begin(&self) -> Result<Incomplete> {
        let failed = Error::file("making a folder in", &self.path);
        self.make()?;
        let lock = self.lock()?;
        let mut folder = tempfile::Builder::new();
        #[cfg(unix)]
        folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = folder.prefix(INCOMPLETE).tempdir_in(&self.path).map_err(&failed)?;
        Ok(Incomplete { folder, _lock: lock })
    }

    /// Held while a backup is written or removed. The first to come removes what killed runs left.
    fn lock(&self) -> Result<File> {
        let path = self.path.join(LOCK);
        let failed = Error::file("locking", &path);
        let mut options = OpenOptions::new();
        let lock = owner_only(options.write(true).create(true).truncate(false)).open(&path).map_err(&failed)?;
        if lock.try_lock().is_ok() {
            for name in self.names(|name| name.starts_with(INCOMPLETE) || name.starts_with(REMOVED))? {
                // An orphaned `pg_dump` may still write there. What cannot be removed is left to the next run.
                let _ = fs::remove_dir_all(self.path.join(name));
            }
            lock.unlock().map_err(&failed)?;
        }
        lock.lock_shared().map_err(&failed)?;
        Ok(lock)
    }

    /// Removes a backup: it is gone from every list first.
    pub(super) fn remove(&self, id: &str) -> Result<()> {
        let _lock = self.lock()?;
        let (path, removed) = (self.path.join(id), self.path.join(format!("{REMOVED}{id}")));
        fs::rename(&path, &removed).map_err(Error::file("removing", &path))?;
        fs::remove_dir_all(&removed).map_err(Error::file("removing", &removed))?;
        sync_folder(&self.path)
    }
}

impl Backup {
    /// Where its certificate is, if it has one.
    #[must_use]
    pub fn certificate_path(&self) -> PathBuf {
        self.path.join(CERTIFICATE)
    }

    /// Its certificate, if that is valid and for the present manifest.
    #[must_use]
    pub fn certificate(&self) -> Option<RecoveryCertificate> {
        let (certificate, _) = RecoveryCertificate::read(&self.certificate_path()).ok()?.ok()?;
        (certificate.sha256 == self.sha256 && certificate.backup == self.manifest.id).then_some(certificate)
    }

    /// Signs a certificate and stores it with the backup.
    pub fn certify(&self, certificate: &RecoveryCertificate, key: &SigningKey) -> Result<PathBuf> {
        let path = self.certificate_path();
        certificate.write(&path, key)?;
        Ok(path)
    }

    /// Removes its certificate: a drill has found damage.
    pub fn withdraw_certificate(&self) -> Result<()> {
        match fs::remove_file(self.certificate_path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::file("removing the certificate of", &self.path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The key that signed its manifest; `None` for a manifest that is not signed. [`Error::BackupDamaged`] for a signature
    /// that is not valid for the manifest.
    pub fn signed_by(&self) -> Result<Option<PublicKey>> {
        let path = self.path.join(SIGNATURE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::file("reading", &path))?,
        };
        match SignedDocument::parse(KIND, &text) {
            Ok(signed) if signed.document["sha256"] == self.sha256.as_str() => Ok(Some(signed.key)),
            _ => Err(Error::BackupDamaged {
                id: self.manifest.id.clone(),
                reason: "its manifest was changed after it was signed".to_owned(),
            }),
        }
    }

    fn is_whole(&self) -> bool {
        self.manifest
            .files
            .iter()
            .all(|(name, file)| fs::metadata(self.path.join(name)).is_ok_and(|found| found.len() == file.bytes))
    }
}

/// A backup that is being written.
pub(super) struct Incomplete {
    folder: TempDir,
    _lock: File,
}

impl Incomplete {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the manifest and gives the folder its name. Everything is on disk when this returns.
    pub(super) fn publish(self, to: &BackupFolder, manifest: Manifest, key: Option<&SigningKey>) -> Result<Backup> {
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n";
        let digest = sha256(text.as_bytes());
        write_file(&self.path().join(MANIFEST), &text)?;
        if let Some(key) = key {
            let document = json!({ "backup": manifest.id, "sha256": digest });
            write_file(&self.path().join(SIGNATURE), &SignedDocument::sign(KIND, &document, key))?;
        }
        let path = to.path.join(&manifest.id);
        if path.exists() {
            return Err(Error::FileExists { path });
        }
        fs::rename(self.path(), &path).map_err(Error::file("naming", &path))?;
        // Under its old name there is nothing to remove.
        let _ = self.folder.keep();
        sync_folder(&to.path)?;
        Ok(Backup { path, manifest, sha256: digest })
    }
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(fs::DirBuilder::new().recursive(true), 0o700).create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}
