//! The subjects and thresholds of a run.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::all_checks;
use super::check::CheckSpec;
use super::report::{CheckGroup, Limits};
use crate::error::{Error, Result};

/// A threshold: `activity.long-queries=600`, or with `.critical` after the id.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The id of the check.
    pub check: String,
    /// Whether it is the critical threshold, and not that of a warning.
    pub critical: bool,
    /// The value, in the unit of the check.
    pub value: f64,
}

impl FromStr for Threshold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let form = || Error::invalid("the threshold", "it must be CHECK=NUMBER or CHECK.critical=NUMBER");
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        Self::new(name.trim(), value.trim())
    }
}

impl Threshold {
    /// Creates a threshold from its name, which may end with `.warning` or `.critical`, and its value. Fails with
    /// [`Error::Invalid`] for an unknown check, one without thresholds, and a value that is negative or no number.
    pub fn new(name: &str, value: &str) -> Result<Self> {
        let (check, critical) = match name.strip_suffix(".critical") {
            Some(check) => (check, true),
            None => (name.strip_suffix(".warning").unwrap_or(name), false),
        };
        let spec = all_checks().find(|spec| spec.id == check);
        let spec = spec.ok_or_else(|| Error::invalid("the threshold", "there is no check of this id"))?;
        if spec.limits.is_none() {
            return Err(Error::invalid(format!("the threshold of {check}"), "this check has none"));
        }
        let value: Option<f64> = value.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0);
        let value = value.ok_or_else(|| {
            Error::invalid(format!("the threshold of {check}"), "it must be a number that is not negative")
        })?;
        Ok(Self { check: check.to_owned(), critical, value })
    }
}

/// The subjects and thresholds of a run.
#[derive(Clone, Debug, Default)]
pub struct DoctorOptions {
    /// Ids of checks or groups. Empty: everything but the group `shardable`.
    pub only: Vec<String>,
    /// Thresholds, later ones over earlier ones.
    pub thresholds: Vec<Threshold>,
    /// Whether checks may read whole tables and open secrets, which takes time in proportion to the data.
    pub deep: bool,
    /// Bytes of the disk of the database, to compute the days until it is full.
    pub disk_capacity: Option<i64>,
}

impl DoctorOptions {
    /// Fails with [`Error::Invalid`] if `only` names neither a check nor a group.
    pub fn refuse_unknown(&self) -> Result<()> {
        let known = |name: &str| all_checks().any(|spec| named(spec, name));
        match self.only.iter().find(|name| !known(name)) {
            Some(_) => Err(Error::invalid(
                "the name of a check",
                "there is no check or group of this name; `rylie doctor --json` lists the ids",
            )),
            None => Ok(()),
        }
    }

    /// Returns whether the run includes a check.
    pub(crate) fn includes(&self, spec: &CheckSpec) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| named(spec, name))
    }

    /// Returns whether the run makes a check. One on request is otherwise part of the report as not checked.
    pub(crate) fn looks_at(&self, spec: &CheckSpec) -> bool {
        self.includes(spec) && (!spec.on_request || !self.only.is_empty())
    }

    /// Returns the thresholds in force by the id of the check.
    #[must_use]
    pub fn limits_by_id(&self) -> BTreeMap<&'static str, Limits> {
        let mut limits: BTreeMap<&'static str, Limits> =
            all_checks().filter_map(|spec| Some((spec.id, spec.default_limits()?))).collect();
        for threshold in &self.thresholds {
            let Some(limits) = limits.get_mut(threshold.check.as_str()) else { continue };
            let place = if threshold.critical { &mut limits.critical } else { &mut limits.warning };
            *place = threshold.value;
        }
        limits
    }
}

fn named(spec: &CheckSpec, name: &str) -> bool {
    spec.id == name || CheckGroup::ALL.iter().any(|group| group.as_str() == name && spec.group() == *group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_names_a_check_and_a_number() {
        let threshold: Threshold = "activity.long-queries.critical=600".parse().unwrap();
        assert_eq!(threshold, Threshold { check: "activity.long-queries".to_owned(), critical: true, value: 600.0 });
        for wrong in [
            "",
            "activity.long-queries",
            "none=1",
            "activity.long-queries=-1",
            "activity.long-queries=NaN",
            "server.fsync=1",
        ] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
    }
}
