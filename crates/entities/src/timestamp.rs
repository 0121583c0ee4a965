//! A point in time as the database stores it.

use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, ParseError, SubsecRound, Utc};
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::postgres::{PgTypeInfo, PgValueFormat, PgValueRef};
use sea_orm::sqlx::{Decode, Postgres, Row, Type};
use sea_orm::{ActiveValue, ColIdx, DbErr, IntoActiveValue, QueryResult, RuntimeErr, TryGetError, TryGetable, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time in UTC with millisecond precision: the stored form of `timestamp(3)`.
///
/// Converting from [`DateTime<Utc>`] truncates to milliseconds, so that a value read back equals the value written.
/// Serialised as JavaScript's `toISOString` writes it: RFC 3339 in UTC with three decimals. A stored time before the year 1, after 9999 or infinite is read as the nearest valid time.
/// A value of SQLite's that is no time is read as the first one. Another writer stored it, and it must not prevent reading
/// the other rows.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(NaiveDateTime);

impl Timestamp {
    /// Returns the first valid time, as which an unreadable one is read.
    pub(crate) fn first() -> Self {
        Self(InRange::new(i64::MIN).0)
    }

    /// Returns the time as a `DateTime<Utc>`.
    #[must_use]
    pub fn utc(self) -> DateTime<Utc> {
        self.0.and_utc()
    }
}

/// Reads a time of RFC 3339, such as `2026-12-01T10:00:00Z`. Converts it to UTC, and truncates it to milliseconds.
impl FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        DateTime::parse_from_rfc3339(text).map(|at| at.to_utc().into())
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
        to.collect_str(&self.0.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

/// Serialises a time without the decimals of a whole second, as exports of audit records have it.
pub(crate) fn without_zeros<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    at.utc().serialize(to)
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(from).map(Self::from)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        time.0.into()
    }
}

impl TryGetable for Timestamp {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let Some(postgres) = row.try_as_pg_row() else {
            return NaiveDateTime::try_get_by(row, index).map_or_else(first_if_undecodable, |time| Ok(Self(time)));
        };
        let read = postgres.try_get::<Option<InRange>, _>(index.as_sqlx_postgres_index());
        let read = read.map_err(|error| TryGetError::DbErr(DbErr::Query(RuntimeErr::SqlxError(error.into()))))?;
        read.map(|InRange(time)| Self(time)).ok_or_else(|| TryGetError::Null(format!("{index:?}")))
    }
}

/// SQLite stores a value of any type: one that is no time is read as the first valid time.
fn first_if_undecodable(error: TryGetError) -> Result<Timestamp, TryGetError> {
    match error {
        TryGetError::DbErr(DbErr::Query(RuntimeErr::SqlxError(error)))
            if matches!(&*error, sea_orm::sqlx::Error::ColumnDecode { .. }) =>
        {
            Ok(Timestamp::first())
        }
        error => Err(error),
    }
}

/// A time of PostgreSQL's, which has more of them than the driver can hold: it panics at those.
struct InRange(NaiveDateTime);

impl InRange {
    /// From microseconds since 2000.
    fn new(microseconds: i64) -> Self {
        const MILLENNIUM: i64 = 946_684_800_000_000;
        const FIRST: i64 = -62_135_596_800_000_000;
        const LAST: i64 = 253_402_300_799_999_000;
        let within = microseconds.saturating_add(MILLENNIUM).clamp(FIRST, LAST);
        Self(DateTime::from_timestamp_micros(within).unwrap_or_default().naive_utc())
    }

    /// From a text in the style ISO, in which a year has at least four digits.
    fn from_text(text: &str) -> Result<Self, ParseError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if text == "-infinity" || text.ends_with(" BC") {
            return Ok(Self::new(i64::MIN));
        }
        if text == "infinity" || digits > 4 {
            return Ok(Self::new(i64::MAX));
        }
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")?;
        Ok(Self(time))
    }
}

impl Type<Postgres> for InRange {
    fn type_info() -> PgTypeInfo {
        <NaiveDateTime as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for InRange {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self::new(i64::from_be_bytes(value.as_bytes()?.try_into()?))),
            PgValueFormat::Text => Ok(Self::from_text(value.as_str()?)?),
        }
    }
}

impl ValueType for Timestamp {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <NaiveDateTime as ValueType>::try_from(value).map(Self)
    }

    fn type_name() -> String {
        "Timestamp".to_owned()
    }

    fn array_type() -> ArrayType {
        NaiveDateTime::array_type()
    }

    fn column_type() -> ColumnType {
        ColumnType::Timestamp
    }
}

impl Nullable for Timestamp {
    fn null() -> Value {
        NaiveDateTime::null()
    }
}

impl IntoActiveValue<Self> for Timestamp {
    fn into_active_value(self) -> ActiveValue<Self> {
        ActiveValue::Set(self)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{InRange, Timestamp};

    #[test]
    fn what_no_reader_can_hold_is_the_nearest_one() {
        let read = |microseconds| Timestamp(InRange::new(microseconds).0).utc().to_rfc3339();

        assert_eq!(read(0), "2000-01-01T00:00:00+00:00");
        assert_eq!(read(i64::MAX), "9999-12-31T23:59:59.999+00:00");
        assert_eq!(read(i64::MIN), "0001-01-01T00:00:00+00:00");
    }

    #[test]
    fn a_text_of_the_server_is_read_as_its_binary_form_is() {
        let read = |text| InRange::from_text(text).map(|InRange(time)| Timestamp(time).utc().to_rfc3339());

        for (text, time) in [
            ("2026-11-29 00:05:09", "2026-11-29T00:05:09+00:00"),
            ("2026-11-29 00:05:09.25", "2026-11-29T00:05:09.250+00:00"),
            ("infinity", "9999-12-31T23:59:59.999+00:00"),
            ("290000-01-01 00:00:00", "9999-12-31T23:59:59.999+00:00"),
            ("-infinity", "0001-01-01T00:00:00+00:00"),
            ("0044-03-15 00:00:00 BC", "0001-01-01T00:00:00+00:00"),
        ] {
            assert_eq!(read(text).unwrap(), time, "{text}");
        }
        assert!(read("yesterday").is_err());
    }

    #[test]
    fn json_has_three_decimals_and_is_read_back() {
        for (text, json) in [
            ("2026-11-23T10:00:00Z", "\"2026-11-23T10:00:00.000Z\""),
            ("2026-11-23T10:00:00.12Z", "\"2026-11-23T10:00:00.120Z\""),
            ("0001-01-01T00:00:00Z", "\"0001-01-01T00:00:00.000Z\""),
        ] {
            let at = Timestamp::from(text.parse::<DateTime<Utc>>().unwrap());
            assert_eq!(serde_json::to_string(&at).unwrap(), json);
            assert_eq!(serde_json::from_str::<Timestamp>(json).unwrap(), at);
        }
    }

    #[test]
    fn a_text_with_an_offset_is_read_in_utc() {
        let read = "2026-12-01T10:00:00.1239+02:00".parse::<Timestamp>().unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"2026-12-01T08:00:00.123Z\"");
        for refused in ["", "2026-12-01", "2026-12-01T10:00:00", "tomorrow"] {
            assert!(refused.parse::<Timestamp>().is_err(), "{refused}");
        }
    }

    #[test]
    fn a_time_is_truncated_to_milliseconds() {
        let fine: DateTime<Utc> = "2026-11-23T10:00:00.123987Z".parse().unwrap();
        let stored: DateTime<Utc> = "2026-11-23T10:00:00.123Z".parse().unwrap();

        assert_eq!(Timestamp::from(fine).utc(), stored);
    }
}
