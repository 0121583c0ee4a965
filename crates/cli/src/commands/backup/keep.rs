//! `rylie backup list` and `prune`

use std::time::Duration;

use clap::Args;
use rylie_db::audit::{Action, Event};
use rylie_db::maintenance::{Backup, ListedBackup, Manifest, PruneRule};
use serde_json::{Value, json};

use super::{Place, TrustArgs, age, recorded, shown};
use crate::arguments::Global;
use crate::failure::Result;
use crate::report::{Report, list, table};

/// Show the backups, the newest first, and which of them a drill has proven
///
/// A certificate counts if a key signed it that is believed: the key that seals the audit log, or one of `--public-key`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie backup list --out /var/backups/rylie --json")]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Remove old backups; only verified ones count
///
/// Kept are the newest verified backups, as many as `--keep` says, and everything newer than them. With `--max-age` older
/// ones are removed too. The newest verified backup is never removed, and its files are checked before anything is.
/// Without a verified backup nothing is removed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie backup prune --keep 14 --max-age 30d --out /var/backups/rylie")]
pub(crate) struct Prune {
    /// How many verified backups are kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// The age from which a backup is removed although fewer are kept
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<Duration>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    trust: TrustArgs,
}

impl List {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let backups = self.place.folder(&settings)?.list(&self.trust.known(&settings)?).await?;
        let rows = backups.iter().map(|backup| (backup.id.as_str(), state(backup)));
        let text = if backups.is_empty() { "there is no backup".to_owned() } else { table(rows) };
        Ok(Report::new(json!({ "backups": backups.iter().map(one).collect::<Vec<_>>() }), text))
    }
}

fn state(listed: &ListedBackup) -> String {
    let bytes = listed.backup.as_ref().map(|backup| backup.manifest.bytes()).unwrap_or_default();
    match (&listed.backup, &listed.certificate) {
        (Err(problem), _) => problem.clone(),
        (Ok(_), Some(_)) if listed.verified().is_none() => "damaged since it was verified".to_owned(),
        (Ok(_), Some(certificate)) => format!("{bytes} bytes, verified {}", shown(certificate.verified_at)),
        (Ok(_), None) => match &listed.unknown_signer {
            Some(key) => format!("{bytes} bytes, not verified: the unknown key {key} signed its certificate"),
            None => format!("{bytes} bytes, not verified"),
        },
    }
}

fn one(listed: &ListedBackup) -> Value {
    let manifest = listed.backup.as_ref().ok().map(|backup| &backup.manifest);
    let certificate = listed.certificate.as_ref();
    json!({
        "id": listed.id,
        "sha256": listed.backup.as_ref().ok().map(|backup| &backup.sha256),
        "made_at": manifest.map(|manifest| manifest.made_at),
        "engine": manifest.map(|manifest| &manifest.engine),
        "bytes": manifest.map(Manifest::bytes),
        "rows": manifest.map(|manifest| &manifest.rows),
        "keys": manifest.map(|manifest| &manifest.keys),
        "verified": listed.verified().is_some(),
        "verified_at": certificate.map(|certificate| certificate.verified_at),
        "rto_seconds": certificate.map(|certificate| certificate.rto_seconds),
        "certificate": certificate.and(listed.backup.as_ref().ok()).map(Backup::certificate_address),
        "unknown_signer": listed.unknown_signer.as_ref().map(ToString::to_string),
        "encrypted": manifest.map(|manifest| manifest.encryption.is_some()),
        "problem": listed.backup.as_ref().err(),
    })
}

impl Prune {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let folder = self.place.folder(&settings)?;
        let rule = PruneRule { keep: usize::try_from(self.keep).unwrap_or(usize::MAX), max_age: self.max_age };
        let trusted = self.trust.known(&settings)?;
        let removed = settings.prune_backups(&folder, rule, &trusted).await?;
        let is_recorded = if removed.is_empty() {
            false
        } else {
            recorded(&settings, Event::new(Action::BackupsPruned).with("backups", &removed)).await
        };
        let kept: Vec<String> = folder.list(&trusted).await?.into_iter().map(|backup| backup.id).collect();
        let text = list("removed", &removed, "nothing to remove");
        Ok(Report::new(json!({ "removed": removed, "kept": kept, "recorded": is_recorded }), text))
    }
}
