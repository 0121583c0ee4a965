//! `rylie pitr drill`

use std::path::PathBuf;

use clap::Args;
use rylie_db::Config;
use rylie_db::audit::Outside;
use rylie_db::{PitrDrill, PitrSource};
use serde_json::{Value, json};

use super::Place;
use crate::arguments::Global;
use crate::commands::audit;
use crate::failure::{Failure, Result};
use crate::report::{self, Report};

/// Restore the live database to a noted time in a scratch cluster, compare it, and sign a recovery certificate; 3 if a
/// check fails
///
/// Writes two records to the audit log, one before the noted time and one after it. The copy must have the first and not
/// the second, and every row as it was at the noted time. Migrations, drift, the audit log and the sealed values of the
/// copy are checked. The scratch cluster is removed afterwards. It takes as much space as the cluster.
///
/// The certificate states the measured recovery time (RTO) and recovery point (RPO). `rylie backup check-certificate`
/// checks it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie pitr drill --scratch-dir /var/tmp --json")]
pub(crate) struct Drill {
    #[command(flatten)]
    place: Place,
    /// The folder for the scratch cluster [default: the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    /// Compare the audit log with the checkpoints in this file [default: those at `audit_checkpoints` of the settings]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The file of the certificate [default: `certificate.txt` in the folder of bases and WAL]
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The key that signs the certificate [default: as for `audit seal`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Drill {
    /// Returns the source of the restore, and the file of the certificate.
    async fn source(&self, settings: &Config) -> Result<(PitrSource, PathBuf)> {
        if !self.place.is_pgbackrest(settings) {
            let folder = self.place.folder(settings)?;
            let certificate = self.certificate.clone().unwrap_or_else(|| folder.certificate());
            return Ok((PitrSource::Native(folder), certificate));
        }
        let Some(certificate) = self.certificate.clone() else {
            return Err(Failure::Usage(
                "pgBackRest has no place for the certificate; add --certificate FILE".to_owned(),
            ));
        };
        Ok((PitrSource::PgBackRest(settings.pgbackrest().await?), certificate))
    }

    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let (source, certificate) = self.source(&settings).await?;
        let key = audit::signing_key(self.key.as_deref(), &settings)?;
        let outside = match &self.checkpoint {
            Some(file) => Outside::read(file)?,
            None => audit::kept_checkpoints(&settings, false)?,
        };
        let scratch = self.scratch_dir.clone().unwrap_or_else(std::env::temp_dir);
        let drilled = settings.drill_pitr(PitrDrill { source, certificate, scratch, outside, key: &key }).await?;
        let checks = report::checks(&drilled.checks);
        let Some((certificate, path)) = &drilled.certificate else {
            let failed = drilled.failure().map(|check| format!("{}: {}", check.id, check.detail)).unwrap_or_default();
            let json = json!({
                "verified": false, "rto_seconds": Value::Null, "certificate": Value::Null, "checks": drilled.checks,
            });
            let verdict = Failure::Found(format!("the recovery is not proven: {failed}"));
            return Ok(Report::new(json, checks).with_verdict(Some(verdict)));
        };
        let json = json!({
            "verified": true,
            "target_time": certificate.made_at,
            "base": certificate.backup,
            "rto_seconds": certificate.rto_seconds,
            "rpo_seconds": certificate.rpo_seconds,
            "certificate": path,
            "checks": drilled.checks,
        });
        let text = format!(
            "{checks}\nproven: restored in {:.2} s, {}\ncertificate {path}",
            certificate.rto_seconds,
            rpo(certificate.rpo_seconds)
        );
        Ok(Report::new(json, text))
    }
}

fn rpo(seconds: Option<i64>) -> String {
    seconds.map_or_else(
        || "and no limit to the commits that would have been lost; set archive_timeout".to_owned(),
        |seconds| format!("at most {seconds} s of commits would have been lost"),
    )
}
