//! Positions in PostgreSQL's write-ahead log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A position in PostgreSQL's write-ahead log (LSN), for read-your-writes.
///
/// A unit opened [`after`](crate::UnitOptions::after()) a position sees everything that was committed before it. Later
/// positions compare greater, so a session keeps `session.position.max(position)`.
///
/// The text form is short and fits a cookie or a header. It is neither secret nor authenticated. A forged position
/// yields older data, within the staleness limit, or sends every read to the primary. A position belongs to one
/// database. On SQLite every position is the default, which is before everything.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogPosition(u64);

impl LogPosition {
    /// Converts the value of [`ON_PRIMARY`] or [`ON_REPLICA`].
    pub(crate) fn of_log(bytes: i64) -> Self {
        Self(bytes.unsigned_abs())
    }

    /// Returns the number of bytes of log before the position.
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

/// SQL for the log position on a primary. Every commit acknowledged to this or an earlier session lies before it. With
/// `synchronous_commit = off` that is the insert position, because an acknowledged commit may not be flushed yet.
/// Otherwise it is the flush position: replicas may not receive unflushed log for a while.
pub(crate) const ON_PRIMARY: &str = "(CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn() \
     ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint";

/// SQL for the position up to which a replica has replayed the log.
pub(crate) const ON_REPLICA: &str = "(pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint";

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for LogPosition {
    type Err = Error;

    /// Fails with [`Error::Invalid`] unless the text is the `Display` form of a position.
    fn from_str(text: &str) -> Result<Self> {
        let reason = "it must be unchanged text of a position that a unit returned";
        let malformed = Error::Invalid { what: "the position", reason };
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let read = u64::from_str_radix(text, 16).ok().filter(|_| digits).map(Self);
        read.filter(|position| position.to_string() == text).ok_or(malformed)
    }
}

impl TryFrom<String> for LogPosition {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<LogPosition> for String {
    fn from(position: LogPosition) -> Self {
        position.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::LogPosition;

    #[test]
    fn a_position_comes_back_from_its_text_and_from_json() {
        for position in [LogPosition::default(), LogPosition::of_log(0x1_5d68_a508), LogPosition::of_log(i64::MAX)] {
            assert_eq!(position.to_string().parse::<LogPosition>().unwrap(), position);
            let json = serde_json::to_string(&position).unwrap();
            assert_eq!(serde_json::from_str::<LogPosition>(&json).unwrap(), position);
        }
        assert!(LogPosition::of_log(2) > LogPosition::of_log(1));
    }

    #[test]
    fn what_is_no_position_is_refused_and_not_shown() {
        for text in ["", "0/15D68A50", "+1", "-1", " 1", "1 ", "01", "A", "canary", "10000000000000000", "ff\0"] {
            let error = text.parse::<LogPosition>().unwrap_err();
            assert!(matches!(error, crate::Error::Invalid { .. }), "{text}: {error:?}");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
