//! The schedule of a job.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::due_times::{DueTimes, UTC, zone_name};
use super::duration::parse_duration;
use crate::error::{Error, Result};
use crate::job::{Job, Missed};

/// The settings of one job's schedule by name, as text: `enabled`, `cron`, `zone`, `missed`, `cap`, `timeout`, `jitter`.
pub type ScheduleSettings = BTreeMap<String, String>;

/// Maximum delay of a due time that counts as on time and not missed.
const ON_TIME: TimeDelta = TimeDelta::minutes(1);

/// Replaces a cron expression: the job is never due.
const NEVER: &str = "never";

/// Maximum number of due times that are made up for, regardless of `cap`.
const MOST: u32 = 1_000;

/// The due times of a job, and how its runs are treated.
///
/// Due times follow the wall clock of the zone, by the rules of Vixie cron:
///
/// - The clock jumps forward: a fixed time in the gap is due at the gap's end, and a repeating job skips the gap.
/// - The clock goes back: a fixed time is due once, at its first occurrence, and a repeating job runs through both hours.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// `None`: the job is never due.
    cron: Option<DueTimes>,
    zone: &'static str,
    text: String,
    pub(crate) missed: Missed,
    pub(crate) timeout: Duration,
    pub(crate) jitter: Duration,
}

/// The next step for a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    Nothing,
    Run(DateTime<Utc>),
    Skip(DateTime<Utc>),
}

impl Schedule {
    /// Combines the job's schedule with the settings, which override it. Fails with [`Error::Schedule`], which names
    /// the first wrong setting.
    pub fn of(job: &dyn Job, settings: &ScheduleSettings) -> Result<Self> {
        let read = Reader { job: job.name(), settings };
        read.refuse_unknown()?;
        let text = read.text("cron").unwrap_or(job.cron()).trim();
        let text = if read.enabled()? { text } else { NEVER }.to_owned();
        Ok(Self {
            cron: read.cron(&text)?,
            zone: read.zone()?,
            missed: read.missed(job.missed())?,
            timeout: read.duration("timeout", Duration::from_secs(1))?.unwrap_or(job.timeout()),
            jitter: read.duration("jitter", Duration::ZERO)?.unwrap_or_default(),
            text,
        })
    }

    /// Returns the cron expression, or `never`.
    #[must_use]
    pub fn cron(&self) -> &str {
        &self.text
    }

    /// Returns the name of the time zone.
    #[must_use]
    pub fn zone(&self) -> &'static str {
        self.zone
    }

    /// Returns the first due time after an instant; `None` if there is none within the calendar.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cron.as_ref()?.next_after(after)
    }

    /// Returns the due times after `settled` and up to `now`, newest first, at most `most`.
    fn due_between(&self, settled: DateTime<Utc>, now: DateTime<Utc>, most: u32) -> Vec<DateTime<Utc>> {
        let Some(cron) = &self.cron else { return Vec::new() };
        let mut found: Vec<DateTime<Utc>> = Vec::new();
        let mut before = now;
        while found.len() < most as usize {
            let Some(due) = cron.previous(before, found.is_empty()) else { break };
            if due <= settled {
                break;
            }
            found.push(due);
            before = due;
        }
        found
    }

    pub(crate) fn plan(&self, settled: DateTime<Utc>, now: DateTime<Utc>) -> Plan {
        let most = if let Missed::All { cap } = self.missed { cap } else { 1 };
        let due = self.due_between(settled, now, most);
        let (Some(newest), Some(oldest)) = (due.first(), due.last()) else { return Plan::Nothing };
        match self.missed {
            Missed::Skip if now - newest > ON_TIME => Plan::Skip(*newest),
            Missed::Skip | Missed::Once => Plan::Run(*newest),
            Missed::All { .. } => Plan::Run(*oldest),
        }
    }
}

struct Reader<'a> {
    job: &'a str,
    settings: &'a ScheduleSettings,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    fn wrong(&self, setting: &str, reason: impl Into<String>) -> Error {
        Error::Schedule { setting: format!("schedule.{}.{setting}", self.job), reason: reason.into() }
    }

    fn refuse_unknown(&self) -> Result<()> {
        const KNOWN: [&str; 7] = ["enabled", "cron", "zone", "missed", "cap", "timeout", "jitter"];
        match self.settings.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            Some(name) => Err(self.wrong(name, format!("it does not exist; the settings are {}", KNOWN.join(", ")))),
            None => Ok(()),
        }
    }

    fn enabled(&self) -> Result<bool> {
        match self.text("enabled") {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.wrong("enabled", "it must be true or false")),
        }
    }

    fn cron(&self, text: &str) -> Result<Option<DueTimes>> {
        if text == NEVER {
            return Ok(None);
        }
        DueTimes::new(text, self.text("zone")).map(Some).map_err(|reason| self.wrong("cron", reason))
    }

    fn zone(&self) -> Result<&'static str> {
        let Some(name) = self.text("zone") else { return Ok(UTC) };
        zone_name(name).map_err(|reason| self.wrong("zone", reason))
    }

    fn missed(&self, default: Missed) -> Result<Missed> {
        let cap = self.cap()?;
        let missed = match self.text("missed") {
            None => default,
            Some("skip") => Missed::Skip,
            Some("once") => Missed::Once,
            Some("all") => Missed::All { cap: 3 },
            Some(_) => return Err(self.wrong("missed", "it must be skip, once or all")),
        };
        match (missed, cap) {
            (Missed::All { .. }, Some(cap)) => Ok(Missed::All { cap }),
            (_, Some(_)) => Err(self.wrong("cap", "it needs missed = \"all\"")),
            (missed, None) => Ok(missed),
        }
    }

    fn cap(&self) -> Result<Option<u32>> {
        let Some(text) = self.text("cap") else { return Ok(None) };
        match text.parse() {
            Ok(cap) if (1..=MOST).contains(&cap) => Ok(Some(cap)),
            _ => Err(self.wrong("cap", format!("it must be a whole number from 1 to {MOST}"))),
        }
    }

    fn duration(&self, name: &str, least: Duration) -> Result<Option<Duration>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match parse_duration(text) {
            Some(duration) if duration >= least => Ok(Some(duration)),
            _ => Err(self.wrong(name, "it must be a time such as 30s, 10m, 2h or 1d, at most 7d")),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "scheduler")]
mod tests;
