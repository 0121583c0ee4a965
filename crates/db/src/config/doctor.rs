//! The table `[doctor]`: thresholds of checks, and the size of the disk.

use rylie_maintenance::{Threshold, parse_bytes};

use super::settings::{Setting, SettingOrigin};
use super::wrong;
use crate::error::Result;

/// The prefix of the names of these settings.
pub(super) const PREFIX: &str = "doctor.";

const DISK: &str = "disk_capacity";

/// The thresholds by their names, such as `activity.long-queries.critical`.
#[derive(Clone, Default)]
pub(crate) struct DoctorSettings {
    pub(crate) thresholds: Vec<Threshold>,
    /// Bytes of the database's disk.
    pub(crate) disk_capacity: Option<i64>,
    values: Vec<(String, String, SettingOrigin)>,
}

impl DoctorSettings {
    pub(super) fn put(&mut self, name: &str, value: String, origin: SettingOrigin) -> Result<()> {
        let setting = format!("{PREFIX}{name}");
        let failed = |error: rylie_maintenance::Error| wrong(&setting, error.to_string());
        if name == DISK {
            self.disk_capacity = Some(parse_bytes(&value).map_err(failed)?);
        } else {
            self.thresholds.push(Threshold::new(name, &value).map_err(failed)?);
        }
        self.values.retain(|(known, ..)| *known != setting);
        self.values.push((setting, value, origin));
        Ok(())
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = Setting> + '_ {
        self.values.iter().map(|(name, value, origin)| Setting {
            name: name.clone(),
            value: value.clone(),
            origin: *origin,
        })
    }
}
