//! `rylie pitr status`

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use rylie_db::maintenance::PitrStatus;
use serde_json::json;

use super::Place;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, table};

/// Show the last WAL received, the lag, the slot, the recovery window and the bases; 3 if something is wrong
///
/// Wrong are: no receiver, no WAL for too long, a lost slot, a gap or a damaged segment, and no base.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie pitr status --json")]
pub(crate) struct Status {
    #[command(flatten)]
    place: Place,
    /// How long a receiver that starts again may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    /// For how long no WAL may arrive, in seconds [default: `pitr_alert_after_seconds`, which is 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    max_lag: Option<u64>,
}

impl Status {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        if self.place.is_pgbackrest(&settings) {
            return of_pgbackrest(&settings).await;
        }
        let folder = self.place.folder(&settings)?;
        let limit = self.max_lag.map_or(settings.pitr_alert_after(), Duration::from_secs);
        let status = settings.pitr_status(&folder, Duration::from_secs(self.wait), limit).await?;
        let mut json = json!(status);
        json["via"] = json!("native");
        json["folder"] = json!(folder.path());
        json["ok"] = json!(status.findings.is_empty());
        let found: Vec<String> =
            status.findings.iter().map(|finding| format!("{}: {}", finding.id, finding.detail)).collect();
        Ok(Report::new(json, text(&status)).with_verdict(verdict(&found)))
    }
}

fn verdict(found: &[String]) -> Option<Failure> {
    (!found.is_empty()).then(|| Failure::Found(found.join("; ")))
}

async fn of_pgbackrest(settings: &rylie_db::Config) -> Result<Report> {
    let status = settings.watch_pgbackrest().await?;
    let mut json = json!(status);
    json["via"] = json!("pgbackrest");
    json["ok"] = json!(status.problems.is_empty());
    let rows = [
        ("last WAL", status.last_wal.clone().unwrap_or_else(|| "none".to_owned())),
        ("window", format!("from {}", time(status.window_start))),
        ("bases", bases(status.bases, status.last_base.as_deref(), status.last_base_age_seconds)),
    ];
    Ok(Report::new(json, table(rows)).with_verdict(verdict(&status.problems)))
}

fn text(status: &PitrStatus) -> String {
    let lag = match (status.lag_bytes, status.lag_seconds) {
        (Some(bytes), Some(seconds)) => format!("{bytes} bytes, {seconds} s"),
        _ => "unknown".to_owned(),
    };
    let slot = match (&status.slot_status, status.retained_bytes) {
        (Some(state), Some(bytes)) => format!("{state}, the server keeps {bytes} bytes for it"),
        _ => "unknown".to_owned(),
    };
    let last =
        status.last_wal.clone().map_or("none".to_owned(), |name| format!("{name}, {}", time(status.last_wal_at)));
    table([
        ("last WAL", last),
        ("lag", lag),
        ("receiver", if status.receiving { "connected" } else { "not connected" }.to_owned()),
        ("slot", slot),
        ("window", format!("{} to {}", time(status.window_start), time(status.window_end))),
        ("bases", bases(status.bases, status.last_base.as_deref(), status.last_base_age_seconds)),
    ])
}

fn bases(number: usize, last: Option<&str>, age: Option<i64>) -> String {
    match (last, age) {
        (Some(last), Some(age)) => format!("{number}, the newest {last}, {age} s old"),
        _ => "none".to_owned(),
    }
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or("unknown".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
