//! Reading of settings as typed values.

use std::time::Duration;

use rylie_repositories::Quota;

use super::Values;
use crate::error::{Error, Result};

/// Reads typed values. Errors name the setting and never show the value.
pub(super) struct Reader<'a>(pub(super) &'a Values);

impl Reader<'_> {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str())
    }

    pub(super) fn number(&self, name: &str, range: std::ops::RangeInclusive<u32>) -> Result<Option<u32>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(wrong(name, format!("it must be a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    /// Reads a number of seconds, of at least `least`.
    pub(super) fn seconds(&self, name: &str, least: u32) -> Result<Option<Duration>> {
        Ok(self.number(name, least..=86_400)?.map(|seconds| Duration::from_secs(seconds.into())))
    }

    /// Reads a positive number of seconds, with fractions, up to a day.
    pub(super) fn part_of_a_day(&self, name: &str) -> Result<Option<Duration>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
            _ => Err(wrong(name, "it must be a number of seconds from 0.001 to 86400".to_owned())),
        }
    }

    pub(super) fn quota(&self, name: &str) -> Result<Option<Quota>> {
        let reason = "it must be four whole numbers: pages,blogs,posts,improvements";
        let quota = self.text(name).map(str::parse).transpose();
        quota.map_err(|_| wrong(name, reason.to_owned()))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(wrong(name, "it must be true or false".to_owned())),
        }
    }
}

pub(super) fn wrong(name: &str, reason: String) -> Error {
    Error::Config { setting: name.to_owned(), reason }
}
