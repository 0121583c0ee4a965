//! The due times of a cron expression in a time zone.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// The zone without a setting.
pub(super) const UTC: &str = "UTC";

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub(super) struct DueTimes {
    cron: Cron,
    zone: Tz,
}

impl DueTimes {
    /// Parses five fields. Fails with the reason. An unknown zone is UTC; [`zone_name`] refuses it.
    pub(super) fn new(text: &str, zone: Option<&str>) -> Result<Self, String> {
        let cron = Cron::from_str(text)
            .map_err(|error| format!("it must be a cron expression such as `30 3 * * *`, or `never`: {error}"))?;
        // The parser accepts seconds and years too, and would shift the meaning of the fields.
        if !text.starts_with('@') && text.split_whitespace().count() != 5 {
            return Err("it must have five fields: minute, hour, day, month, weekday".to_owned());
        }
        if cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false).is_err() {
            let reason = "it is never due: no such day exists; write `never` to turn the job off";
            return Err(reason.to_owned());
        }
        Ok(Self { cron, zone: zone.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC) })
    }

    /// Returns the first due time after an instant, if there is one within the calendar.
    pub(super) fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&after.with_timezone(&self.zone), false).ok()?;
        Some(next.with_timezone(&Utc))
    }

    /// Returns the last due time before an instant, or at it if `inclusive`.
    pub(super) fn previous(&self, before: DateTime<Utc>, inclusive: bool) -> Option<DateTime<Utc>> {
        let due = self.cron.find_previous_occurrence(&before.with_timezone(&self.zone), inclusive).ok()?;
        Some(due.with_timezone(&Utc))
    }
}

/// Returns the canonical name of a time zone, or the reason why it is none.
pub(super) fn zone_name(name: &str) -> Result<&'static str, &'static str> {
    let wrong = |_| "it must be the name of a time zone such as `Europe/Berlin`";
    name.parse().map(|zone: Tz| zone.name()).map_err(wrong)
}
