//! The tables `[schedule.<job>]`: when each job of the scheduler is due.

use std::collections::BTreeMap;

use rylie_maintenance::ScheduleSettings;

use super::settings::{Origin, Setting};
use super::wrong;
use crate::error::Result;

/// What the names of these settings begin with.
pub(super) const PREFIX: &str = "schedule.";

/// What was set, by job and setting. Whether there is such a job shows when the scheduler is made.
#[derive(Clone, Default)]
pub(crate) struct Schedules(BTreeMap<(String, String), (String, Origin)>);

impl Schedules {
    pub(super) fn put(&mut self, of_job: &str, value: String, origin: Origin) -> Result<()> {
        let Some((job, setting)) = of_job.split_once('.') else {
            let reason = "it must be a table of a job, such as [schedule.sessions] with cron = \"17 * * * *\"";
            return Err(wrong(&format!("{PREFIX}{of_job}"), reason.to_owned()));
        };
        self.0.insert((job.to_owned(), setting.to_owned()), (value, origin));
        Ok(())
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = Setting> + '_ {
        self.0.iter().map(|((job, setting), (value, origin))| Setting {
            name: format!("{PREFIX}{job}.{setting}"),
            value: value.clone(),
            origin: *origin,
        })
    }

    /// The settings of each job by its name.
    pub(crate) fn by_job(&self) -> BTreeMap<String, ScheduleSettings> {
        let mut jobs: BTreeMap<String, ScheduleSettings> = BTreeMap::new();
        for ((job, setting), (value, _)) in &self.0 {
            jobs.entry(job.clone()).or_default().insert(setting.clone(), value.clone());
        }
        jobs
    }
}
