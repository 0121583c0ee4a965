//! The statement of a backup about itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The name of its file.
pub(super) const MANIFEST: &str = "manifest.json";
/// The name of the file of its signature.
pub(super) const SIGNATURE: &str = "manifest.sig";
/// The kind of the signed document.
pub(super) const SIGNED: &str = "backup manifest";

/// The number of the manifest's format, of a plain copy in a folder.
pub(super) const FORMAT: u32 = 1;
/// That of a copy as one stream, which versions before 2 cannot restore.
pub(super) const STREAM_FORMAT: u32 = 2;
/// The formats that this version reads.
pub(super) const FORMATS: [u32; 2] = [FORMAT, STREAM_FORMAT];

/// The contents that a backup must have, as they were read in the snapshot that was copied. A drill compares the restored copy with it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifest {
    /// The number of the format; 1 for a folder, 2 for a stream.
    pub format: u32,
    /// The id of the backup, which is also the name of its folder.
    pub id: String,
    /// When the snapshot was taken, UTC.
    pub made_at: DateTime<Utc>,
    /// `postgres` or `sqlite`.
    pub engine: String,
    /// The version of the server, or of SQLite.
    pub server: String,
    /// The program that made the copy, with its version.
    pub tool: String,
    /// The fingerprint of the database.
    pub fingerprint: String,
    /// The applied migrations, in order. The last one is the migration head.
    pub migrations: Vec<String>,
    /// The position of the server's write-ahead log at the snapshot; PostgreSQL only.
    pub log_position: Option<String>,
    /// The number of rows of each table. Tables outside the schema `public` have its name and a dot before theirs.
    pub rows: BTreeMap<String, u64>,
    /// A digest of the contents of each table, independent of the order of its rows. Comparable on the same engine only.
    /// Empty in the file of an encrypted backup, which holds it encrypted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, String>,
    /// The number of rows of each tenant in each table with a tenant key. Empty in the file of an encrypted backup, as
    /// `contents`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, BTreeMap<String, u64>>,
    /// The newest checkpoint of the audit log, as its text; `None` for a log that is not sealed.
    pub checkpoint: Option<String>,
    /// The public keys that signed the audit log's checkpoints.
    pub public_keys: Vec<String>,
    /// The ids of the keys that sealed its values.
    pub keys: Vec<String>,
    /// The roles that own its objects or have rights on them; PostgreSQL only.
    pub roles: Vec<String>,
    /// The extensions that it uses; PostgreSQL only.
    pub extensions: Vec<String>,
    /// Encoding and locale of the database; PostgreSQL only.
    pub locale: Option<Locale>,
    /// How it is encrypted; `None` for a plain copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<BackupEncryption>,
    /// Each file of the copy by its path within the backup, as it is stored.
    pub files: BTreeMap<String, BackupFile>,
}

/// Encoding and locale of a PostgreSQL database.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Locale {
    /// The encoding, such as `UTF8`.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
}

/// How a backup is encrypted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BackupEncryption {
    /// The age recipient.
    pub recipient: String,
    /// The id of the keyring's key that seals the identity; `None` for the recipient of an operator.
    pub key: Option<String>,
    /// The sealed identity.
    pub sealed_identity: Option<String>,
}

/// A file of a backup.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BackupFile {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The size of the copy in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    /// The ids of all keys of the keyring that a restore needs: those of its values, and that of its encryption.
    pub fn needed_keys(&self) -> impl Iterator<Item = &str> {
        let of_encryption = self.encryption.as_ref().and_then(|encryption| encryption.key.as_deref());
        self.keys.iter().map(String::as_str).chain(of_encryption)
    }

    /// Whether it is a SQLite file.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.engine == "sqlite"
    }
}
