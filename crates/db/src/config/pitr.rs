//! The settings of point-in-time recovery.

use std::time::Duration;

use super::{Reader, postgres_url};
use crate::error::Result;

/// The settings of point-in-time recovery.
#[derive(Clone)]
pub(crate) struct PitrSettings {
    pub(crate) folder: Option<String>,
    /// The login for replication.
    pub(crate) url: Option<String>,
    pub(crate) slot: String,
    /// How many bases the job keeps; `None`: all.
    pub(crate) keep: Option<usize>,
    /// For how long no log may arrive before it is reported.
    pub(crate) alert_after: Duration,
    /// The stanza of pgBackRest.
    pub(crate) stanza: Option<String>,
}

pub(super) fn read(read: &Reader<'_>, database_url: &str) -> Result<PitrSettings> {
    Ok(PitrSettings {
        folder: read.text("pitr_folder").map(str::to_owned),
        url: postgres_url(read, "pitr_url", database_url)?,
        slot: read.text("pitr_slot").unwrap_or("rylie_pitr").to_owned(),
        keep: read.number("pitr_keep", 1..=100_000)?.and_then(|keep| usize::try_from(keep).ok()),
        alert_after: read.seconds("pitr_alert_after_seconds", 1)?.unwrap_or(Duration::from_secs(30)),
        stanza: read.text("pitr_stanza").map(str::to_owned),
    })
}
