//! The tables `[schedule.<job>]`: the due times of the scheduler's jobs.

use std::collections::BTreeMap;

use rylie_maintenance::ScheduleSettings;

use super::settings::{Setting, SettingOrigin};
use super::wrong;
use crate::error::Result;

/// The prefix of the names of these settings.
pub(super) const PREFIX: &str = "schedule.";

/// The values by job and setting. The scheduler checks the names of the jobs when it is created.
#[derive(Clone, Default)]
pub(crate) struct Schedules(BTreeMap<(String, String), (String, SettingOrigin)>);

impl Schedules {
    pub(super) fn put(&mut self, of_job: &str, value: String, origin: SettingOrigin) -> Result<()> {
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

    /// Returns the settings of each job by its name.
    pub(crate) fn by_job(&self) -> BTreeMap<String, ScheduleSettings> {
        let mut jobs: BTreeMap<String, ScheduleSettings> = BTreeMap::new();
        for ((job, setting), (value, _)) in &self.0 {
            jobs.entry(job.clone()).or_default().insert(setting.clone(), value.clone());
        }
        jobs
    }
}
