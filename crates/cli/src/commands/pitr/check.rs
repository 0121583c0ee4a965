//! `rylie pitr init` and `check`

use std::time::Duration;

use clap::Args;
use rylie_db::audit::Action;
use rylie_db::maintenance::{BackupCheck, Readiness, barman_version};
use serde_json::json;

use super::{Place, recorded};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{self, Report};

/// Set up point-in-time recovery: check server and login, create replication slot and folder
///
/// Names everything that is missing, with the SQL for it, and changes nothing then (4). It can be repeated
/// and keeps existing parts. After a failover it creates the slot on the new primary.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie pitr init --folder /var/lib/rylie/pitr")]
pub(crate) struct Init {
    #[command(flatten)]
    place: Place,
}

/// Check that everything is in place and that the WAL arrives; 3 if not
///
/// Writes a small marker to the WAL, which changes no table, and waits until the receiver has it on disk.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie pitr check --json")]
pub(crate) struct Check {
    #[command(flatten)]
    place: Place,
    /// How long the marker may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

impl Init {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        if self.place.is_pgbackrest(&settings) {
            let pgbackrest = settings.pgbackrest().await?;
            pgbackrest.init().await?;
            settings.pgbackrest_of_server().await?;
            let is_recorded = recorded(&settings, Action::PitrInitialized, "pgbackrest", &[]).await;
            let json = json!({ "via": "pgbackrest", "program": pgbackrest.shown(), "recorded": is_recorded });
            return Ok(Report::new(json, "the stanza exists\nnext: rylie pitr check && rylie pitr base"));
        }
        let folder = self.place.folder(&settings)?;
        let readiness = settings.init_pitr(&folder).await?;
        let slot = readiness.manifest.as_ref().map(|manifest| manifest.slot.clone()).unwrap_or_default();
        let is_recorded = recorded(&settings, Action::PitrInitialized, &slot, &[]).await;
        let json = json!({
            "via": "native",
            "folder": folder.path(),
            "slot": slot,
            "system_identifier": readiness.manifest.as_ref().map(|manifest| &manifest.system_identifier),
            "timeline": readiness.manifest.as_ref().map(|manifest| manifest.timeline),
            "checks": readiness.checks,
            "recorded": is_recorded,
        });
        let next = "next: start `rylie pitr receive` as a service, then run `rylie pitr base`";
        Ok(Report::new(json, format!("{}\n{next}", report::checks(&readiness.checks))))
    }
}

impl Check {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let mut checks = Vec::new();
        if self.place.is_pgbackrest(&settings) {
            let pgbackrest = settings.pgbackrest_of_server().await?;
            checks.push(BackupCheck::ok("programs", pgbackrest.shown()));
            checks.push(match pgbackrest.check().await {
                Ok(()) => BackupCheck::ok("wal", "a segment arrived in the repository"),
                Err(error) => BackupCheck::failed("wal", error.to_string()),
            });
        } else {
            let folder = self.place.folder(&settings)?;
            let Readiness { checks: ready, manifest } = settings.pitr_ready(&folder).await?;
            let is_other = ready.iter().any(|check| check.id == "folder" && check.is_failed());
            checks = ready;
            if manifest.is_some() && !is_other {
                let arrival = settings.wait_for_wal(&folder, Duration::from_secs(self.wait)).await?;
                checks.push(match arrival.took {
                    Some(took) => BackupCheck::ok("wal", format!("a marker arrived in {:.1} s", took.as_secs_f64())),
                    None => BackupCheck::failed(
                        "wal",
                        format!("a marker did not arrive within {} s; start `rylie pitr receive`", self.wait),
                    ),
                });
            }
        }
        if let Some(version) = barman_version().await {
            let detail =
                format!("Barman {version} is installed; if it backs this server up, check it with `barman check`");
            checks.push(BackupCheck::not_checked("barman", detail));
        }
        let failed: Vec<_> = checks.iter().filter(|check| check.is_failed()).collect();
        let verdict = failed.first().map(|first| Failure::Found(format!("{}: {}", first.id, first.detail)));
        let json = json!({ "ok": failed.is_empty(), "checks": checks });
        Ok(Report::new(json, report::checks(&checks)).with_verdict(verdict))
    }
}
