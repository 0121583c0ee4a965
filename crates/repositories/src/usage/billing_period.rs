//! Billing periods, in UTC. A period ends on the same day of the next month, or on that month's last day.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};
use rylie_entities::Timestamp;

use crate::Error;

/// Returns the end of a period that begins at `start`: the same day of the next month, or its last day.
pub(crate) fn a_month_after(start: Timestamp) -> Timestamp {
    // Out of range only in the year 262143.
    start.utc().checked_add_months(Months::new(1)).map_or(start, Timestamp::from)
}

/// Returns the end of the period that follows the one from `start` to `end`.
///
/// No column stores the day of the month on which a customer's periods begin, because it can be derived. A period cut
/// short by a short month ends on that month's last day and began on a later day. Two short months never follow each
/// other.
pub(crate) fn next_end(start: Timestamp, end: Timestamp) -> Timestamp {
    let (start, end) = (start.utc(), end.utc());
    let cut_short = start.day() > end.day() && is_last_of_month(end);
    let day = if cut_short { start.day() } else { end.day() };
    let next = end.checked_add_months(Months::new(1)).unwrap_or(end);
    next.with_day(day.min(u32::from(next.num_days_in_month()))).unwrap_or(next).into()
}

fn is_last_of_month(at: DateTime<Utc>) -> bool {
    at.day() == u32::from(at.num_days_in_month())
}

/// A calendar month, written `2026-01`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Month {
    first: NaiveDate,
}

impl Month {
    /// Returns the month of an instant.
    #[must_use]
    pub fn of(at: DateTime<Utc>) -> Self {
        let day = at.date_naive();
        Self { first: day.with_day(1).unwrap_or(day) }
    }

    /// Returns its first instant.
    pub(crate) fn begin(self) -> Timestamp {
        self.first.and_time(chrono::NaiveTime::MIN).and_utc().into()
    }

    /// Returns the first instant after it.
    pub(crate) fn end(self) -> Timestamp {
        a_month_after(self.begin())
    }
}

impl FromStr for Month {
    type Err = Error;

    /// Parses a month from `0001-01` to `9999-12`; anything else is [`Error::Invalid`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = Error::Invalid { what: "the month", reason: "it must have the form YYYY-MM, such as 2026-01" };
        let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        let Some((year, month)) = text.split_once('-').filter(|(year, month)| digits(year, 4) && digits(month, 2))
        else {
            return Err(invalid);
        };
        let (year, month) = (year.parse().unwrap_or(0), month.parse().unwrap_or(0));
        match NaiveDate::from_ymd_opt(year, month, 1) {
            Some(first) if year > 0 => Ok(Self { first }),
            _ => Err(invalid),
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first.format("%Y-%m"))
    }
}

/// Returns bounds that include every period.
pub(crate) fn always() -> (Timestamp, Timestamp) {
    let year = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN);
    (year(1).and_utc().into(), (year(9999) + TimeDelta::days(364)).and_utc().into())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use rylie_entities::Timestamp;

    use super::{Month, a_month_after, next_end};

    fn at(day: &str) -> Timestamp {
        format!("{day}T12:00:00.123Z").parse::<DateTime<Utc>>().unwrap().into()
    }

    /// Returns the ends of a period that begins on `day` and of those that follow it.
    fn ends(day: &str, count: usize) -> Vec<String> {
        let (mut start, mut end) = (at(day), a_month_after(at(day)));
        let mut ends = Vec::new();
        for _ in 0..count {
            ends.push(end.utc().format("%m-%d").to_string());
            (start, end) = (end, next_end(start, end));
        }
        ends
    }

    #[test]
    fn the_day_on_which_periods_begin_is_not_lost_in_short_months() {
        assert_eq!(ends("2026-01-31", 5), ["02-28", "03-31", "04-30", "05-31", "06-30"]);
        assert_eq!(ends("2026-01-30", 3), ["02-28", "03-30", "04-30"]);
        assert_eq!(ends("2026-01-29", 3), ["02-28", "03-29", "04-29"]);
        assert_eq!(ends("2026-01-28", 3), ["02-28", "03-28", "04-28"]);
    }

    #[test]
    fn a_leap_year_has_its_day() {
        assert_eq!(ends("2028-01-31", 3), ["02-29", "03-31", "04-30"]);
        assert_eq!(ends("2028-01-29", 3), ["02-29", "03-29", "04-29"]);
    }

    #[test]
    fn a_period_that_somebody_ended_early_gives_its_last_day_to_those_after_it() {
        let end = next_end(at("2026-01-20"), at("2026-02-10"));
        assert_eq!(end, at("2026-03-10"));
    }

    #[test]
    fn a_month_is_read_strictly() {
        let month: Month = "2026-12".parse().unwrap();
        assert_eq!(
            (month.begin().utc().to_rfc3339(), month.end().utc().to_rfc3339()),
            ("2026-12-01T00:00:00+00:00".into(), "2027-01-01T00:00:00+00:00".into())
        );
        for text in ["", "2026", "2026-00", "2026-13", "26-01", "2026-1", "0000-01", "2026-01-01", "+026-01"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
