//! The manifest of a base.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::lsn::Lsn;

/// The number of the manifest's format.
pub(super) const FORMAT: u32 = 1;

/// The manifest of a base: its identity, and the facts about its server that a restore needs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BaseManifest {
    /// The number of the format; 1.
    pub format: u32,
    /// The id of the base, which is also the name of its folder.
    pub id: String,
    /// When the copy began, by the clock of the server, UTC.
    pub begun_at: DateTime<Utc>,
    /// When the copy was complete, by the clock of the server, UTC. Restores to later times are possible.
    pub ended_at: DateTime<Utc>,
    /// The version of the server.
    pub server: String,
    /// The program that made the copy, with its version.
    pub tool: String,
    /// The identifier of the database cluster.
    pub system_identifier: String,
    /// The timeline of the copy.
    pub timeline: u32,
    /// The position at which a restore begins to replay the WAL.
    pub start: Lsn,
    /// The position from which the copy is consistent.
    pub end: Lsn,
    /// The base of which this one holds the changes only; `None` for a full base.
    pub parent: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// The SHA-256 of PostgreSQL's manifest of it, which has the checksum of each file.
    pub backup_manifest: String,
    /// The name of the cluster's first superuser.
    pub superuser: String,
    /// The database of the configured URL.
    pub database: String,
    /// `max_prepared_transactions` of the server.
    pub max_prepared_transactions: u32,
}

impl BaseManifest {
    /// The major version of the server.
    pub(super) fn major(&self) -> u32 {
        self.server.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
    }
}
