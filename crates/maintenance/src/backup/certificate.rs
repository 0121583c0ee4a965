//! The recovery certificate: a signed statement of what a drill restored and checked.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use chrono::{DateTime, Utc};
use rylie_audit::{PublicKey, SignedDocument, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::check::BackupCheck;
use super::place::Place;
use crate::error::{Error, Result};
use crate::files::{remove_file, write_file};

const KIND: &str = "recovery certificate";

/// What a drill proved. Its signature is verified without a database.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RecoveryCertificate {
    /// The id of the backup.
    pub backup: String,
    /// The SHA-256 of the backup's manifest, which names the SHA-256 of each file.
    pub sha256: String,
    /// The fingerprint of the database that was backed up.
    pub fingerprint: String,
    /// When the snapshot of the backup was taken, UTC.
    pub made_at: DateTime<Utc>,
    /// When the drill ended, UTC.
    pub verified_at: DateTime<Utc>,
    /// The version of the server that it was restored on.
    pub restored_on: String,
    /// How long the restore took, in seconds: the recovery time.
    pub rto_seconds: f64,
    /// How old the data was at the beginning of the drill, in seconds: the recovery point.
    pub rpo_seconds: Option<i64>,
    /// The newest checkpoint of the audit log that it was compared with.
    pub checkpoint: Option<String>,
    /// What was checked.
    pub checks: Vec<BackupCheck>,
}

impl RecoveryCertificate {
    /// Its signed text.
    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        SignedDocument::sign(KIND, &json!(self), key)
    }

    /// [`Error::FileExists`] for a file that is no certificate, and an error for one that cannot be made.
    pub fn refuse_other_file(path: &Path) -> Result<()> {
        let path = std::path::absolute(path).map_err(Error::file("finding", path))?;
        match fs::read(&path) {
            Ok(text) if text.starts_with(b"rylie recovery certificate ") => Ok(()),
            Ok(_) => Err(Error::FileExists { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                fs::metadata(folder).map(drop).map_err(Error::file("reading", folder))
            }
            Err(error) => Err(Error::file("reading", &path)(error)),
        }
    }

    /// Signs it and stores it in a file, in place of an earlier one. [`Error::FileExists`] for a file of another kind.
    pub fn store(&self, path: &Path, key: &SigningKey) -> Result<()> {
        Self::refuse_other_file(path)?;
        let path = std::path::absolute(path).map_err(Error::file("finding", path))?;
        write_file(&path, &self.sign(key))
    }

    /// Removes the file of a certificate, if there is one: a drill has failed. [`Error::FileExists`] for a file of another
    /// kind, which stays.
    pub fn withdraw(path: &Path) -> Result<()> {
        Self::refuse_other_file(path)?;
        remove_file(path)
    }

    /// Reads a certificate whose signature is valid under the key that it names. The caller decides whether this key is
    /// trusted. Fails with [`Malformed`](rylie_audit::Error::Malformed) for another text.
    pub fn parse(text: &str) -> rylie_audit::Result<(Self, PublicKey)> {
        let SignedDocument { document, key } = SignedDocument::parse(KIND, text)?;
        let malformed = |_| rylie_audit::Error::Malformed { what: KIND, reason: "its document has another form" };
        Ok((serde_json::from_value(document).map_err(malformed)?, key))
    }

    /// Reads a certificate from a file, or from its address in object storage; see [`parse`](Self::parse).
    pub async fn read(place: &str) -> Result<rylie_audit::Result<(Self, PublicKey)>> {
        let (folder, name) = place.rsplit_once('/').unwrap_or((".", place));
        let folder = Place::parse(if folder.is_empty() { "/" } else { folder })?;
        let missing = || Error::file("reading the certificate", Path::new(place))(std::io::ErrorKind::NotFound.into());
        let text = folder.read(name).await?.ok_or_else(missing)?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }
}
