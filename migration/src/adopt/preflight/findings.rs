//! What is known before an adoption.

use serde::{Deserialize, Serialize};

/// The findings before an adoption.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Preflight {
    /// The disk space and the time that it will take.
    pub forecast: Forecast,
    /// Conditions that block it, slow it down or leave it incomplete, beginning with those that prevent it.
    pub findings: Vec<PreflightFinding>,
}

/// One finding before an adoption.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PreflightFinding {
    /// Its kind: `owner`, `schema`, `triggers`, `read-only`, `tablespace`, `row-security`, `row-security-off`, `session`,
    /// `prepared-transaction`, `prepared-statements`, `publication`, `replication-slot`, `event-triggers`,
    /// `default-privileges`, `creators`, `visibility`.
    pub id: String,
    /// Whether it prevents the adoption.
    pub blocking: bool,
    /// The condition.
    pub detail: String,
    /// The remedy.
    pub fix: String,
}

impl Preflight {
    /// Returns the first finding that prevents the adoption.
    #[must_use]
    pub fn blocking(&self) -> Option<&PreflightFinding> {
        self.findings.iter().find(|finding| finding.blocking)
    }
}

/// The disk space and the time of an adoption, estimated from the sizes of the tables. A server does not report the free
/// space of its disk.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Forecast {
    /// The size of the database now.
    pub bytes_now: u64,
    /// How much it grows at the most. The write-ahead log needs about as much again until its next checkpoint.
    pub bytes_more: u64,
    /// The number of rows in the base's tables, as the server estimates it.
    pub rows: u64,
    /// The time that it takes on a fast, idle server.
    pub seconds_at_least: u64,
    /// The time that it takes on a slow or busy server. Waiting for locks comes on top.
    pub seconds_at_most: u64,
}
