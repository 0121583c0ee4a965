//! The settings of the jobs, except their schedules.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rylie_audit::WitnessKey;
use rylie_crypto::Secret;
use rylie_maintenance::{Notifier, Smtp, parse_bytes};

use super::{Config, Reader, wrong};
use crate::error::Result;

const DAY: u64 = 86_400;

/// The settings of the jobs, except their schedules.
#[derive(Clone)]
pub(crate) struct Maintenance {
    pub(crate) purge_after: Duration,
    pub(crate) usage_events_after: Duration,
    pub(crate) audit_key: Option<PathBuf>,
    /// Keys that sign for the audit log, in addition to `audit_key`; read where they are needed.
    pub(crate) audit_public_key: Option<String>,
    pub(crate) audit_checkpoints: Option<String>,
    pub(crate) audit_witnesses: Vec<WitnessKey>,
    pub(crate) audit_witness_statements: Vec<PathBuf>,
    pub(crate) audit_witnesses_required: Option<u32>,
    pub(crate) audit_keep_days: Option<u32>,
    pub(crate) size_alert_above: Option<i64>,
    pub(crate) size_notify: Vec<Notifier>,
    pub(crate) smtp: Option<Smtp>,
    /// Whom backups are encrypted to: `keyring`, or an age recipient.
    pub(crate) backup_encrypt: Option<String>,
    /// The file of the age identity that opens backups.
    pub(crate) backup_identity: Option<PathBuf>,
    /// How many verified backups are kept by the job; `None`: all.
    pub(crate) backup_keep: Option<usize>,
    /// The age of the newest verified backup above which an alert is sent.
    pub(crate) backup_alert_after: Duration,
}

impl Config {
    /// Returns the path of the key that signs the audit log's checkpoints, if one is set.
    #[must_use]
    pub fn audit_key(&self) -> Option<&Path> {
        self.maintenance.audit_key.as_deref()
    }

    /// Returns the destinations of those checkpoints, if any are set: files, or `s3://bucket/prefix`, separated by
    /// commas.
    #[must_use]
    pub fn audit_checkpoints(&self) -> Option<&str> {
        self.maintenance.audit_checkpoints.as_deref()
    }

    /// Returns the keys of the witnesses whose statements a verification of the audit log requires.
    #[must_use]
    pub fn audit_witnesses(&self) -> &[WitnessKey] {
        &self.maintenance.audit_witnesses
    }

    /// Returns the files with their statements.
    #[must_use]
    pub fn audit_witness_statements(&self) -> &[PathBuf] {
        &self.maintenance.audit_witness_statements
    }

    /// Returns how many of these witnesses must have seen the log; `None`: all.
    #[must_use]
    pub fn audit_witnesses_required(&self) -> Option<u32> {
        self.maintenance.audit_witnesses_required
    }

    /// Returns how many days audit records are kept; `None` keeps them forever.
    #[must_use]
    pub fn audit_keep_days(&self) -> Option<u32> {
        self.maintenance.audit_keep_days
    }
}

pub(super) fn read(read: &Reader<'_>) -> Result<Maintenance> {
    let days = |name: &str, default: u32| -> Result<Duration> {
        let days = read.number(name, 1..=36_500)?.unwrap_or(default);
        Ok(Duration::from_secs(u64::from(days) * DAY))
    };
    let reason = |error: rylie_maintenance::Error| error.to_string();
    let smtp = match (read.text("smtp_url"), read.text("smtp_from")) {
        (Some(url), Some(from)) => Some(Smtp { url: Secret::new(url.to_owned()), from: from.to_owned() }),
        (None, None) => None,
        _ => return Err(wrong("smtp_url", "set both smtp_url and smtp_from, or neither".to_owned())),
    };
    let above = read.text("size_alert_above").map(parse_bytes).transpose();
    let notify = words(read, "size_notify");
    let notify: std::result::Result<_, _> = notify.map(|target| Notifier::new(target, smtp.as_ref())).collect();
    let witnesses: std::result::Result<_, _> = words(read, "audit_witnesses").map(WitnessKey::parse).collect();
    Ok(Maintenance {
        purge_after: days("purge_after_days", 30)?,
        usage_events_after: days("usage_events_after_days", 90)?,
        audit_key: read.text("audit_key").map(PathBuf::from),
        audit_public_key: read.text("audit_public_key").map(str::to_owned),
        audit_checkpoints: read.text("audit_checkpoints").map(str::to_owned),
        audit_witnesses: witnesses.map_err(|error| wrong("audit_witnesses", error.to_string()))?,
        audit_witness_statements: words(read, "audit_witness_statements").map(PathBuf::from).collect(),
        audit_witnesses_required: read.number("audit_witnesses_required", 1..=1_000)?,
        audit_keep_days: read.number("audit_keep_days", 1..=36_500)?,
        size_alert_above: above.map_err(|error| wrong("size_alert_above", reason(error)))?,
        size_notify: notify.map_err(|error| wrong("size_notify", reason(error)))?,
        smtp,
        backup_encrypt: read.text("backup_encrypt").map(str::to_owned),
        backup_identity: read.text("backup_identity").map(PathBuf::from),
        backup_keep: read.number("backup_keep", 1..=100_000)?.and_then(|keep| usize::try_from(keep).ok()),
        backup_alert_after: Duration::from_hours(
            read.number("backup_alert_after_hours", 1..=100_000)?.unwrap_or(36).into(),
        ),
    })
}

/// Returns the items of a list that is separated by commas. An empty list in a file is the word `none`.
fn words<'r>(read: &'r Reader<'_>, name: &str) -> impl Iterator<Item = &'r str> {
    let text = read.text(name).filter(|text| *text != "none").unwrap_or_default();
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}
