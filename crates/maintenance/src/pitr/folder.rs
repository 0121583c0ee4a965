//! The folder of point-in-time recovery: bases, WAL and a small manifest.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::base_manifest::{BaseManifest, FORMAT};
use super::wal::WalArchive;
use crate::backup::checksum::sha256;
use crate::error::{Error, Result};
use crate::files::{
    NewEntry, begin_entry, make_private, names, open_lock, read, remove_entry, sync_folder, write_file,
};

const MANIFEST: &str = "pitr.json";
const BASE: &str = "base.json";
const LOCK: &str = ".lock";
const RECEIVER_LOCK: &str = ".receiver.lock";

/// A folder for point-in-time recovery of one database cluster. Only its owner may read it.
#[derive(Clone, Debug)]
pub struct PitrFolder {
    path: PathBuf,
}

/// The identity of the folder.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PitrManifest {
    /// The number of the format; 1.
    pub format: u32,
    /// When the folder was made, UTC.
    pub made_at: DateTime<Utc>,
    /// The identifier of the database cluster.
    pub system_identifier: String,
    /// The fingerprint of the platform's database in it, if it has one.
    pub fingerprint: Option<String>,
    /// The version of the server.
    pub server: String,
    /// The timeline of the server.
    pub timeline: u32,
    /// The size of a WAL segment in bytes.
    pub segment_bytes: u64,
    /// The replication slot.
    pub slot: String,
}

/// A base with a manifest that can be read.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its folder.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: BaseManifest,
    /// The SHA-256 of the manifest's file.
    pub sha256: String,
}

/// A base as a list shows it.
#[derive(Clone, Debug)]
pub struct ListedBase {
    /// Its id.
    pub id: String,
    /// The base, or the reason for which it cannot be read.
    pub base: std::result::Result<Base, String>,
}

impl Base {
    /// The data directory of the copy.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }
}

impl PitrFolder {
    /// The folder at a path. [`Error::Invalid`] for an empty path and for an address.
    pub fn new(place: &str) -> Result<Self> {
        if place.is_empty() || place.contains("://") {
            return Err(Error::invalid("the place of point-in-time recovery", "it must be a folder"));
        }
        let path = std::path::absolute(place).map_err(Error::file("finding", Path::new(place)))?;
        Ok(Self { path })
    }

    /// Its absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the WAL.
    pub(super) fn wal(&self) -> PathBuf {
        self.path.join("wal")
    }

    fn bases_path(&self) -> PathBuf {
        self.path.join("bases")
    }

    /// The path of the certificate of the newest drill.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path.join("certificate.txt")
    }

    /// Its manifest. [`Error::PitrNotReady`] if it has none, or one that cannot be read.
    pub fn manifest(&self) -> Result<PitrManifest> {
        let path = self.path.join(MANIFEST);
        let problem = |text: String| Error::PitrNotReady { problems: vec![text] };
        let missing = || problem(format!("{} has no {MANIFEST}; run `rylie pitr init`", self.path.display()));
        let text = read(&path)?.ok_or_else(missing)?;
        let manifest: PitrManifest = serde_json::from_slice(&text)
            .map_err(|_| problem(format!("{} cannot be read; restore it, or use a new folder", path.display())))?;
        let is_size = manifest.segment_bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&manifest.segment_bytes);
        if manifest.format != FORMAT || !is_size {
            return Err(problem(format!("{} has a form that this version does not know", path.display())));
        }
        Ok(manifest)
    }

    /// Makes the folder with its manifest. What exists stays.
    pub(super) fn make(&self, manifest: &PitrManifest) -> Result<()> {
        for folder in [self.path.clone(), self.wal(), self.bases_path()] {
            make_private(&folder)?;
            sync_folder(&folder)?;
        }
        let text = serde_json::to_string_pretty(manifest).unwrap_or_default() + "\n";
        write_file(&self.path.join(MANIFEST), &text)
    }

    /// The files of the WAL.
    pub(super) fn archive(&self, manifest: &PitrManifest) -> Result<WalArchive> {
        WalArchive::read(&self.wal(), manifest.segment_bytes)
    }

    /// One base. [`Error::NoBackup`] if there is none of this id, [`Error::BackupDamaged`] if it cannot be read.
    pub fn base(&self, id: &str) -> Result<Base> {
        let plain = |letter: char| letter.is_ascii_alphanumeric();
        let path = self.bases_path().join(id);
        if id.is_empty() || !id.chars().all(plain) || !path.is_dir() {
            return Err(Error::NoBackup { id: id.to_owned(), folder: self.bases_path().display().to_string() });
        }
        let damaged = |reason: &str| Error::BackupDamaged { id: id.to_owned(), reason: reason.to_owned() };
        let text = read(&path.join(BASE))?.ok_or_else(|| damaged("its manifest is missing"))?;
        let manifest: BaseManifest =
            serde_json::from_slice(&text).map_err(|_| damaged("its manifest is no manifest"))?;
        if manifest.format != FORMAT || manifest.id != id {
            return Err(damaged("its manifest is that of another base or version"));
        }
        Ok(Base { path, manifest, sha256: sha256(&text) })
    }

    /// Every base, the newest first. Empty where the folder does not exist.
    pub fn bases(&self) -> Result<Vec<ListedBase>> {
        let mut ids = names(&self.bases_path(), |name| !name.starts_with('.'))?;
        ids.sort_unstable_by(|one, other| other.cmp(one));
        let listed = ids.into_iter().map(|id| {
            let base = self.base(&id).map_err(|error| error.to_string());
            ListedBase { id, base }
        });
        Ok(listed.collect())
    }

    /// The bases that can be read, the newest first.
    pub(super) fn readable_bases(&self) -> Result<Vec<Base>> {
        Ok(self.bases()?.into_iter().filter_map(|listed| listed.base.ok()).collect())
    }

    /// Begins a base in a folder that no list shows. The folder is removed when the value is dropped.
    pub(super) fn begin(&self) -> Result<IncompleteBase> {
        Ok(IncompleteBase { entry: begin_entry(&self.bases_path(), &self.path.join(LOCK))? })
    }

    /// Held by the receiver. [`Error::PitrRefused`] if another process holds it.
    pub(super) fn lock_for_receiver(&self) -> Result<File> {
        let lock = open_lock(&self.path.join(RECEIVER_LOCK))?;
        let reason = || format!("another receiver works on {}; end it first", self.path.display());
        lock.try_lock().map(|()| lock).map_err(|_| Error::PitrRefused { reason: reason() })
    }

    /// Removes a base: it is gone from every list first.
    pub(super) fn remove_base(&self, id: &str) -> Result<()> {
        remove_entry(&self.bases_path(), &self.path.join(LOCK), id)
    }
}

/// A base that is being written.
pub(super) struct IncompleteBase {
    entry: NewEntry,
}

impl IncompleteBase {
    pub(super) fn data(&self) -> PathBuf {
        self.entry.path().join("data")
    }

    /// Writes the manifest and gives the folder its name. Everything is on disk when this returns.
    pub(super) fn publish(self, manifest: BaseManifest) -> Result<Base> {
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n";
        write_file(&self.entry.path().join(BASE), &text)?;
        let path = self.entry.publish(&manifest.id)?;
        Ok(Base { path, manifest, sha256: sha256(text.as_bytes()) })
    }
}
