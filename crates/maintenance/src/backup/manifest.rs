//! What a backup states about itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The number of the manifest's format.
pub(super) const FORMAT: u32 = 1;

/// What a backup must contain, as it was read in the snapshot that was copied. A drill compares the restored copy with it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifest {
    /// The number of the format; 1.
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
    pub contents: BTreeMap<String, String>,
    /// The number of rows of each tenant in each table with a tenant key.
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
    /// Each file of the copy by its path within the backup.
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

    /// Whether it is a SQLite file.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.engine == "sqlite"
    }
}
