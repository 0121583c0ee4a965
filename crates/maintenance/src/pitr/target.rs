//! The target of a restore, and the window of times that can be reached.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::Serialize;

use super::lsn::Lsn;
use crate::error::Error;

/// Up to where a restore replays the WAL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestoreTarget {
    /// Transactions that committed at this time or before it are in the copy, later ones are not.
    Time(DateTime<Utc>),
    /// The WAL up to this position.
    Position(Lsn),
    /// The whole log.
    Latest,
}

impl FromStr for RestoreTarget {
    type Err = Error;

    /// Reads a time with its zone: `2026-11-26T20:45:18Z`, `2026-11-26 20:45:18.25+01:00`, `2026-11-26 20:45:18 UTC`.
    /// Fails with [`Error::Invalid`] for a time without a zone.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let text = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |time| format!("{}Z", time.trim_end()));
        let time: Option<DateTime<FixedOffset>> = DateTime::parse_from_rfc3339(&text)
            .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%#z"))
            .ok();
        let reason = "it must name its zone, such as 2026-11-26T20:45:18Z, 2026-11-26T21:45:18+01:00 or \
                      '2026-11-26 20:45:18 UTC'";
        time.map(|time| Self::Time(time.with_timezone(&Utc))).ok_or_else(|| Error::invalid("the time", reason))
    }
}

impl fmt::Display for RestoreTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => f.write_str(&shown(*time)),
            Self::Position(lsn) => write!(f, "{lsn}"),
            Self::Latest => f.write_str("the end of the WAL"),
        }
    }
}

/// The times to which the folder leads. A restore can go to `start` and to every later time before `end`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Window {
    /// When the oldest base was complete; `None` without a base.
    pub start: Option<DateTime<Utc>>,
    /// The time of the newest commit that was received; `None` if none was.
    pub end: Option<DateTime<Utc>>,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.end) {
            (Some(start), Some(end)) if start < end => write!(f, "{} to {}", shown(start), shown(end)),
            (Some(_), _) => f.write_str("empty: no commit after a base was received yet"),
            (None, _) => f.write_str("empty: there is no base"),
        }
    }
}

/// A time with microseconds, which PostgreSQL's commits have.
fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::RestoreTarget;

    #[test]
    fn a_time_has_a_zone() {
        let wanted: RestoreTarget = "2026-11-26T20:45:18.250Z".parse().unwrap();
        for same in ["2026-11-26 20:45:18.25 UTC", "2026-11-26T21:45:18.25+01:00", "2026-11-26 21:45:18.25+01"] {
            assert_eq!(same.parse::<RestoreTarget>().ok(), Some(wanted), "{same}");
        }
        for wrong in ["2026-11-26T20:45:18", "2026-11-26 20:45:18", "yesterday", "", "2026-13-26T20:45:18Z", "12:00"] {
            assert!(wrong.parse::<RestoreTarget>().is_err(), "{wrong}");
        }
    }
}
