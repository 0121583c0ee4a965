//! A backup that is being written: no list shows it until it is published.

use std::io::Error as IoError;
use std::path::Path;

use rylie_audit::{SignedDocument, SigningKey};
use serde_json::json;

#[cfg(feature = "object-storage")]
use super::objects::ObjectBackup;
use crate::backup::checksum::sha256;
use crate::backup::manifest::{BackupFile, MANIFEST, Manifest, SIGNATURE, SIGNED};
use crate::backup::stream::{Stream, copy};
use crate::error::{Error, Result};
use crate::files::{NewEntry, create, write_file};

/// A backup that is being written. A folder is removed when the value is dropped; objects are removed by
/// [`abandon`](Self::abandon), or by the next run.
pub(in crate::backup) enum Incomplete {
    Folder(NewEntry),
    #[cfg(feature = "object-storage")]
    Objects(ObjectBackup),
}

impl Incomplete {
    /// The folder, if it is one.
    #[cfg_attr(
        not(feature = "object-storage"),
        expect(clippy::unnecessary_wraps, reason = "an object of object storage has no path")
    )]
    pub(in crate::backup) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder.path()),
            #[cfg(feature = "object-storage")]
            Self::Objects(_) => None,
        }
    }

    /// Writes a stream to a file, encrypted where that is asked for. Constant memory, and no plain copy anywhere.
    pub(in crate::backup) async fn stream(&mut self, name: &str, stream: Stream) -> Result<BackupFile> {
        match self {
            Self::Folder(folder) => {
                let path = folder.path().join(name);
                let (file, failed) = (create(&path)?, Error::file("writing", &path));
                let copying = move || {
                    let (file, measured) = copy(stream, file)?;
                    file.sync_all()?;
                    Ok(measured)
                };
                let copied = tokio::task::spawn_blocking(copying).await;
                copied.unwrap_or_else(|error| Err(IoError::other(error))).map_err(failed)
            }
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => objects.stream(name, stream).await,
        }
    }

    /// Writes the manifest last, and makes the backup appear. Everything is durable when this returns.
    /// Returns the SHA-256 of the manifest.
    pub(in crate::backup) async fn publish(self, manifest: &Manifest, key: Option<&SigningKey>) -> Result<String> {
        let text = serde_json::to_string_pretty(manifest).unwrap_or_default() + "\n";
        let digest = sha256(text.as_bytes());
        let signature = key.map(|key| {
            let document = json!({ "backup": manifest.id, "sha256": digest });
            SignedDocument::sign(SIGNED, &document, key)
        });
        match self {
            Self::Folder(folder) => {
                if let Some(signature) = signature {
                    write_file(&folder.path().join(SIGNATURE), &signature)?;
                }
                write_file(&folder.path().join(MANIFEST), &text)?;
                folder.publish(&manifest.id)?;
            }
            #[cfg(feature = "object-storage")]
            Self::Objects(objects) => {
                let mut files = Vec::new();
                files.extend(signature.map(|signature| (SIGNATURE, signature)));
                files.push((MANIFEST, text));
                objects.publish(files).await?;
            }
        }
        Ok(digest)
    }

    /// Removes what was written.
    pub(in crate::backup) async fn abandon(self) {
        match self {
            Self::Folder(folder) => drop(folder),
            #[cfg(feature = "object-storage")]
            // The next run removes the rest.
            Self::Objects(objects) => objects.abandon().await,
        }
    }
}
