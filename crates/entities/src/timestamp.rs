//! A point in time as the database stores it.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use sea_orm::DeriveValueType;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time in UTC with millisecond precision: the stored form of `timestamp(3)`.
///
/// Converting from [`DateTime<Utc>`] truncates to milliseconds, so that a value read back equals the value written.
/// Serialised as RFC 3339.
#[derive(Clone, Copy, Debug, DeriveValueType, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[sea_orm(column_type = "Timestamp")]
pub struct Timestamp(NaiveDateTime);

impl Timestamp {
    /// Returns the time as a `DateTime<Utc>`.
    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        self.0.and_utc()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.naive_utc().trunc_subsecs(3))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(at: Timestamp) -> Self {
        at.utc()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.utc().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::Timestamp;

    #[test]
    fn a_time_is_truncated_to_milliseconds() {
        let fine: DateTime<Utc> = "2026-11-23T10:00:00.123987Z".parse().unwrap();
        let stored: DateTime<Utc> = "2026-11-23T10:00:00.123Z".parse().unwrap();

        assert_eq!(Timestamp::from(fine).utc(), stored);
    }
}
