//! `rylie backup`

mod create;
mod keep;
mod restore;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use rylie_db::Config;
use rylie_db::audit::{Event, PublicKey, SigningKey};
use rylie_db::maintenance::{Backup as Made, BackupFolder};
use serde_json::{Value, json};

use super::{audit, maintain};
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::{Report, done_or_warn};

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  rylie backup create --out /var/backups/rylie --verify")]
pub(crate) enum Backup {
    Create(create::Create),
    List(keep::List),
    Verify(verify::Verify),
    Prune(keep::Prune),
    Restore(restore::Restore),
    CheckCertificate(verify::CheckCertificate),
}

/// Where the backups are
#[derive(Args, Debug)]
struct Place {
    /// The folder of the backups, or `s3://BUCKET/PREFIX` [default: `RYLIE_BACKUPS`, else `backups` in the file of
    /// settings]
    #[arg(long, value_name = "PLACE")]
    out: Option<String>,
}

/// Which signatures are believed
#[derive(Args, Debug)]
struct TrustArgs {
    /// Believe this key too (several times: these); the key that seals the audit log is believed where it is readable
    #[arg(long, value_name = "KEY", env = "RYLIE_AUDIT_PUBLIC_KEY", value_delimiter = ',')]
    public_key: Vec<String>,
}

/// What opens an encrypted backup
#[derive(Args, Debug)]
struct Opening {
    /// The file of the age identity that opens a backup [default: `RYLIE_BACKUP_IDENTITY`, else `backup_identity` in the
    /// file of settings]. A backup under the keyring needs none
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Where a scratch database is made
#[derive(Args, Debug)]
struct ScratchArgs {
    /// The PostgreSQL server for the scratch database, as a superuser of it [default: `RYLIE_BACKUP_SCRATCH_URL`, else a
    /// private server from the installed programs, else the server of the database]
    #[arg(long, value_name = "URL")]
    scratch: Option<String>,
}

/// How a drill is made
#[derive(Args, Debug)]
struct DrillArgs {
    #[command(flatten)]
    scratch: ScratchArgs,
    #[command(flatten)]
    opening: Opening,
    #[command(flatten)]
    trust: TrustArgs,

    /// Accept a backup without a signature, such as one from before the key that seals the audit log
    #[arg(long)]
    unsigned: bool,

    /// Compare the audit log with the checkpoints in this file [default: those at `audit_checkpoints` of the settings]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// Attack tenant isolation in the copy too, by SQL in the tenant's role; PostgreSQL only
    #[arg(long)]
    attacks: bool,

    /// The key that signs the certificate [default: as for `audit seal`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// How many tables are copied at once; PostgreSQL only
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
}

impl Backup {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let stop = maintain::stop()?;
        tokio::select! {
            biased;
            done = self.work(global) => done,
            () = stop => Err(Failure::NotReady(self.stopped().to_owned())),
        }
    }

    fn stopped(&self) -> &'static str {
        match self {
            Self::Restore(_) => {
                "stopped by a signal; a database that was being restored is not complete, and erased data may be in it: \
                 drop it"
            }
            _ => "stopped by a signal; nothing unfinished is kept",
        }
    }

    async fn work(&self, global: &Global) -> Result<Report> {
        match self {
            Self::Create(create) => create.run(global).await,
            Self::List(list) => list.run(global).await,
            Self::Verify(verify) => verify.run(global).await,
            Self::Prune(prune) => prune.run(global).await,
            Self::Restore(restore) => restore.run(global).await,
            Self::CheckCertificate(certificate) => certificate.run().await,
        }
    }
}

impl Place {
    fn folder(&self, settings: &Config) -> Result<BackupFolder> {
        let place = self.out.as_deref().or(settings.backups()).ok_or_else(|| {
            Failure::Usage(
                "no place of backups is named; add --out PLACE, or set RYLIE_BACKUPS or `backups` in rylie.toml"
                    .to_owned(),
            )
        })?;
        Ok(BackupFolder::new(place)?)
    }
}

impl TrustArgs {
    /// The keys of the flag, of the settings, and of the signing key that can be read.
    fn keys(&self, settings: &Config, key: Option<&SigningKey>) -> Result<Vec<PublicKey>> {
        let mut keys = settings.known_audit_keys()?;
        for text in &self.public_key {
            keys.push(PublicKey::parse(text)?);
        }
        keys.extend(key.map(SigningKey::public));
        Ok(keys)
    }

    /// As [`keys`](Self::keys), with the signing key of the settings or the default file.
    fn known(&self, settings: &Config) -> Result<Vec<PublicKey>> {
        self.keys(settings, audit::signing_key_if_any(None, settings)?.as_ref())
    }
}

/// The document of `--json` for one backup.
fn document(backup: &Made) -> Value {
    let manifest = &backup.manifest;
    json!({
        "id": manifest.id,
        "path": backup.address(),
        "sha256": backup.sha256,
        "made_at": manifest.made_at,
        "engine": manifest.engine,
        "server": manifest.server,
        "tool": manifest.tool,
        "bytes": manifest.bytes(),
        "migration_head": manifest.migrations.last(),
        "rows": manifest.rows,
        "tenants": manifest.tenants,
        "keys": manifest.keys,
        "encryption": manifest.encryption.as_ref().map(|encryption| {
            json!({ "recipient": encryption.recipient, "key": encryption.key })
        }),
    })
}

/// Whether the event is in the audit log. A login that may only read cannot record it; the backup is not worse for it.
async fn recorded(settings: &Config, event: Event) -> bool {
    done_or_warn(&settings.record_backup(event).await, "this is not in the audit log")
}

/// Brings the list of erasures up to date, where the key that signs it can be read. The list of before stays otherwise.
pub(super) async fn note_erasures(settings: &Config, folder: &BackupFolder, key: Option<&SigningKey>) {
    let Some(key) = key else { return };
    if !settings.is_file_missing() {
        let noted = settings.note_erasures(folder, key).await;
        done_or_warn(&noted, "the list of erasures in the folder of the backups is not up to date");
    }
}

/// A time, to the second.
fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An age: `36h`, `30d`, `8w`.
fn age(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "an age is a whole number with s, m, h, d or w, such as 30d".to_owned();
    let (end, unit) = text.char_indices().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..end].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::age;

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!(age("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(age("2w"), Ok(Duration::from_hours(14 * 24)));
        for text in ["", "30", "d", "-1d", "1y", "99999999999999999999d", "ß"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
