//! Due times in a build without the feature `scheduler`: there are none.

use std::convert::Infallible;

use chrono::{DateTime, Utc};

/// The zone without a setting.
pub(super) const UTC: &str = "UTC";

const OFF: &str = "this build has no scheduler; switch on the feature `scheduler`";

/// A cron expression. This build has none.
#[derive(Clone, Debug)]
pub(super) struct DueTimes(Infallible);

impl DueTimes {
    /// Fails with the name of the feature to switch on.
    pub(super) fn new(_text: &str, _zone: Option<&str>) -> Result<Self, String> {
        Err(OFF.to_owned())
    }

    pub(super) fn next_after(&self, _after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.0 {}
    }

    pub(super) fn previous(&self, _before: DateTime<Utc>, _inclusive: bool) -> Option<DateTime<Utc>> {
        match self.0 {}
    }
}

/// Fails with the name of the feature to switch on.
pub(super) fn zone_name(_name: &str) -> Result<&'static str, &'static str> {
    Err(OFF)
}
