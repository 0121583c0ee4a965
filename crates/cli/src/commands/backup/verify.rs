//! `rylie backup verify` and `check-certificate`

use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use rylie_db::audit::{Action, Event, Outside, PublicKey};
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{self, Backup, BackupCheck, BackupFolder, CheckStatus, RecoveryCertificate};
use rylie_db::{Config, Drill, Drilled};
use serde_json::{Value, json};

use super::{DrillArgs, Place, age, document, recorded, shown};
use crate::arguments::Global;
use crate::commands::{audit, begin};
use crate::failure::{Failure, Result};
use crate::progress;
use crate::report::{self, Report};

/// Restore a backup into a scratch database, check the copy, and sign a recovery certificate; 3 if it is damaged
///
/// Checked are signature and checksums, rows per table and tenant, contents, migrations and drift. Then follow foreign
/// keys, indexes (`amcheck`), the audit log against its checkpoints, and every sealed value. The scratch database
/// is removed afterwards. On PostgreSQL it is on a private server, or takes a superuser of another one. A missing role,
/// extension or right of that server is an error (1) and not damage.
///
/// The certificate states what was checked, the measured restore time and the age of the data. It is stored with the
/// backup. A backup that fails loses the certificate of an earlier drill.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie backup verify 20261126T020000000Z --out /var/backups/rylie --json")]
pub(crate) struct Verify {
    /// The backup's id, as `rylie backup list` shows it
    id: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    drill: DrillArgs,
}

/// Check the signature of a recovery certificate, without a database; 3 if it does not hold
///
/// The key it names is believed unless `--public-key` names another one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie backup check-certificate certificate.txt --max-age 7d")]
pub(crate) struct CheckCertificate {
    /// The certificate: a file, or its address in object storage
    file: String,
    /// Trust this key alone (several times: these)
    #[arg(long, value_name = "KEY", env = "RYLIE_AUDIT_PUBLIC_KEY", value_delimiter = ',')]
    public_key: Vec<String>,
    /// A certificate of a drill that is older than this does not hold
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<Duration>,
    /// Compare it with the backup at this place
    #[arg(long, value_name = "PLACE")]
    out: Option<String>,
}

impl Verify {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        begin(global, &settings).await?;
        let folder = self.place.folder(&settings)?;
        match folder.get(&self.id).await {
            Ok(backup) => drill(global, &settings, &backup, &self.drill).await,
            Err(maintenance::Error::BackupDamaged { reason, .. }) => {
                let json = json!({ "id": self.id });
                let checks = vec![BackupCheck::failed("manifest", reason)];
                Ok(unproven(json, &self.id, &Drilled { checks, certificate: None }))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes the drill of a backup and reports it.
pub(super) async fn drill(
    global: &Global,
    settings: &Config,
    backup: &Backup,
    arguments: &DrillArgs,
) -> Result<Report> {
    let key = audit::signing_key(arguments.key.as_deref(), settings)?;
    let outside = match &arguments.checkpoint {
        Some(file) => Outside::read(file)?,
        None => audit::kept_checkpoints(settings, backup.manifest.checkpoint.is_some())?,
    };
    let trusted = arguments.trust.keys(settings, Some(&key))?;
    let progress = progress::bytes(global, "restoring");
    let drill = Drill {
        scratch: arguments.scratch.scratch.as_deref(),
        identity: arguments.opening.identity.as_deref(),
        trusted: &trusted,
        unsigned: arguments.unsigned,
        outside,
        key: &key,
        jobs: arguments.jobs,
        attacks: arguments.attacks,
        progress: &progress,
    };
    let drilled = settings.verify_backup(backup, drill).await?;
    let id = &backup.manifest.id;
    let event = Event::new(Action::BackupVerified).on_row("Backup", id).with("passed", drilled.certificate.is_some());
    let is_recorded = recorded(settings, event).await;
    let mut json = document(backup);
    json["recorded"] = json!(is_recorded);
    let Some((certificate, address)) = &drilled.certificate else {
        return Ok(unproven(json, id, &drilled));
    };
    json["verified"] = json!(true);
    json["rto_seconds"] = json!(certificate.rto_seconds);
    json["rpo_seconds"] = json!(certificate.rpo_seconds);
    json["certificate"] = json!(address);
    json["checks"] = json!(drilled.checks);
    let text = format!(
        "{}\nverified {id}: restored in {:.2} s, data {} s old\ncertificate {}",
        report::checks(&drilled.checks),
        certificate.rto_seconds,
        certificate.rpo_seconds.unwrap_or_default(),
        address
    );
    Ok(Report::new(json, text))
}

fn unproven(mut json: Value, id: &str, drilled: &Drilled) -> Report {
    json["verified"] = json!(false);
    json["rto_seconds"] = Value::Null;
    json["certificate"] = Value::Null;
    json["checks"] = json!(drilled.checks);
    let reason = drilled.failure().map(|check| format!("{}: {}", check.id, check.detail)).unwrap_or_default();
    let verdict = Failure::Found(format!("the backup {id} is not proven: {reason}; keep an older one"));
    Report::new(json, report::checks(&drilled.checks)).with_verdict(Some(verdict))
}

impl CheckCertificate {
    pub(super) async fn run(&self) -> Result<Report> {
        let keys = self.public_key.iter().map(|key| PublicKey::parse(key));
        let keys: Vec<PublicKey> = keys.collect::<std::result::Result<_, _>>()?;
        let (certificate, key) = match RecoveryCertificate::read(&self.file).await? {
            Ok(read) => read,
            Err(error) => return Ok(invalid(&error.to_string())),
        };
        if !keys.is_empty() && !keys.contains(&key) {
            return Ok(invalid("it is signed by a key that is not trusted"));
        }
        let limit = self.max_age.and_then(|age| SystemEnv.now().checked_sub_signed(TimeDelta::from_std(age).ok()?));
        if limit.is_some_and(|limit| certificate.verified_at < limit) {
            return Ok(invalid(&format!("it is stale: the drill was at {}", shown(certificate.verified_at))));
        }
        if certificate.verified_at > SystemEnv.now() + TimeDelta::minutes(5) {
            return Ok(invalid(&format!("it is of the future: the drill was at {}", shown(certificate.verified_at))));
        }
        if let Some(place) = &self.out
            && BackupFolder::new(place)?.get(&certificate.backup).await?.sha256 != certificate.sha256
        {
            return Ok(invalid("it is stale: the backup has another manifest now"));
        }
        let mut json = json!(certificate);
        json["ok"] = json!(true);
        json["public_key"] = json!(key.to_string());
        let text = format!(
            "the backup {} was restored in {:.2} s on {} and passed {} at {}, signed by {key}",
            certificate.backup,
            certificate.rto_seconds,
            certificate.restored_on,
            passed(&certificate.checks),
            shown(certificate.verified_at)
        );
        Ok(Report::new(json, text))
    }
}

/// The statement of the certificate, without the checks that were not made.
fn passed(checks: &[BackupCheck]) -> String {
    let skipped: Vec<_> =
        checks.iter().filter(|check| check.status == CheckStatus::NotChecked).map(|check| check.id.as_str()).collect();
    if skipped.is_empty() { "every check".to_owned() } else { format!("every check but {}", skipped.join(", ")) }
}

fn invalid(reason: &str) -> Report {
    Report::disproved(reason, format!("the certificate does not hold: {reason}"))
}
