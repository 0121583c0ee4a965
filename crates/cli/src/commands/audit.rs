//! `rylie audit`

mod check;
mod consistency;
mod outside;
mod records;
mod witness;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rylie_db::audit::{CheckpointSink, Outside, SignedCheckpoint, SigningKey};
use rylie_db::entities::{Env, SystemEnv};
use rylie_db::maintenance::{RetainedAudit, SealedAudit, checkpoint_sinks, erase_from_audit, retain_audit, seal_audit};
use rylie_db::{Config, Database};
use serde_json::json;

use super::migrated_database;
use crate::arguments::Global;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// The default path of the signing key.
const KEY_FILE: &str = "rylie-audit.key";

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example:\n  rylie audit keygen && rylie audit seal --checkpoints checkpoints.txt && rylie audit verify --checkpoint checkpoints.txt"
)]
pub(crate) enum Audit {
    List(records::List),
    Export(records::Export),
    Seal(Sealing),
    Verify(check::Verify),
    Prove(check::Prove),
    VerifyProof(check::VerifyProof),
    VerifyExport(check::VerifyExport),
    ProveConsistency(consistency::ProveConsistency),
    VerifyConsistency(consistency::VerifyConsistency),
    Witness(witness::Witness),
    Erase(Erase),
    Keygen(Keygen),
}

/// Seal pending records under a signed checkpoint, even if there are none
///
/// Run it every minute, for example, on another machine than the database's. The checkpoint goes to standard output and
/// to `--checkpoints`. Keep that file where the administrators of the database cannot write. Refused without a signing
/// key; `rylie audit keygen` creates one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit seal --checkpoints /mnt/elsewhere/checkpoints.txt")]
pub(crate) struct Sealing {
    /// The key that signs [default: `RYLIE_AUDIT_KEY`, else `audit_key` in the file of settings, else
    /// `rylie-audit.key`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Add the checkpoints to this file, or to `s3://BUCKET/PREFIX` as one object each; earlier ones that it lacks are
    /// added too; several places are separated by commas [default: `RYLIE_AUDIT_CHECKPOINTS`, else `audit_checkpoints` in the file of settings]
    #[arg(long, value_name = "PLACE")]
    checkpoints: Option<String>,
}

/// Erase a user from the sealed records; every proof still holds
///
/// Removes the parts that name the user as actor, as impersonated user or as target row, with the salts of their
/// commitments. This is permanent: it is refused without `--force`, and where the environment marker is production.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit erase cmwt6lm8x0005eg7d8vcigauj --force")]
pub(crate) struct Erase {
    /// The user's id
    user: String,
    /// Confirm the permanent erasure
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    sealing: Sealing,
}

/// Create a signing key for its owner only, and show its public half
///
/// An existing file is never overwritten. Give verifiers the public half by a channel that does not involve the
/// database.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit keygen --out rylie-audit.key")]
pub(crate) struct Keygen {
    /// The file to write [default: `RYLIE_AUDIT_KEY`, else `audit_key` in the file of settings, else `rylie-audit.key`]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Audit {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        match self {
            Self::List(list) => list.run(global).await,
            Self::Export(export) => export.run(global).await,
            Self::Seal(sealing) => sealing.run(global).await,
            Self::Verify(verify) => verify.run(global).await,
            Self::Prove(prove) => prove.run(global).await,
            Self::VerifyProof(proof) => proof.run(),
            Self::VerifyExport(export) => export.run(),
            Self::ProveConsistency(prove) => prove.run(global).await,
            Self::VerifyConsistency(verify) => verify.run(),
            Self::Witness(witness) => witness.run(global),
            Self::Erase(erase) => erase.run(global).await,
            Self::Keygen(keygen) => keygen.run(global),
        }
    }
}

impl Sealing {
    async fn run(&self, global: &Global) -> Result<Report> {
        let database = migrated_database(global).await?;
        let sealed = self.seal(&database).await?;
        database.close().await;
        let texts: Vec<String> = sealed.checkpoints.iter().map(SignedCheckpoint::to_text).collect();
        let last = sealed.checkpoints.last();
        let document = json!({
            "ok": true,
            "records": sealed.records,
            "batch": last.map(|last| last.checkpoint().batch),
            "public_key": last.map(|last| last.key().to_string()),
            "checkpoint": texts.last(),
            "checkpoints": texts,
        });
        Ok(Report::new(document, texts.concat().trim_end()))
    }

    pub(crate) async fn seal(&self, database: &Database) -> Result<SealedAudit> {
        let key = signing_key(self.key.as_deref(), database.config())?;
        let places = self.sinks(database)?;
        let sinks: Vec<&dyn CheckpointSink> = places.iter().map(|place| &**place).collect();
        Ok(seal_audit(&*database.store(), &key, &sinks).await?)
    }

    fn sinks(&self, database: &Database) -> Result<Vec<Box<dyn CheckpointSink>>> {
        let targets = self.checkpoints.as_deref().or(database.config().audit_checkpoints());
        Ok(checkpoint_sinks(targets.unwrap_or_default())?)
    }

    /// Removes batches older than `days`, or than the settings allow, then seals all pending records, including that of
    /// the removal.
    pub(crate) async fn maintain(&self, database: &Database, days: Option<u32>) -> Result<Report> {
        let store = database.store();
        let (key, places) = (signing_key(self.key.as_deref(), database.config())?, self.sinks(database)?);
        let sinks: Vec<&dyn CheckpointSink> = places.iter().map(|place| &**place).collect();
        let removed = match days.or(database.config().audit_keep_days()) {
            Some(days) => retain_audit(&*store, &key, &sinks, SystemEnv.now(), days).await?,
            None => RetainedAudit::default(),
        };
        let sealed = seal_audit(&*store, &key, &sinks).await?;
        let text = format!(
            "removed {} records of {} batches, sealed {} records",
            removed.records, removed.batches, sealed.records
        );
        let checkpoint = sealed.checkpoints.last().map(SignedCheckpoint::to_text);
        let document = json!({
            "deleted": removed.records,
            "batches": removed.batches,
            "sealed": sealed.records,
            "checkpoint": checkpoint,
        });
        Ok(Report::new(document, text))
    }
}

impl Erase {
    async fn run(&self, global: &Global) -> Result<Report> {
        if !self.force {
            return Err(Failure::Refused("an erasure is permanent; add --force to confirm it".to_owned()));
        }
        let user = self.user.parse().map_err(|_| Failure::Usage("this is not a user's id".to_owned()))?;
        let database = migrated_database(global).await?;
        database.guard_destructive("erase a user from the audit log").await?;
        self.sealing.seal(&database).await?;
        let erased = erase_from_audit(&*database.store(), &user).await?;
        // Seal the record of the erasure: until then nothing proves that it was one.
        self.sealing.seal(&database).await?;
        database.close().await;
        Ok(Report::new(json!({ "erased": erased }), format!("erased the user from {erased} records")))
    }
}

impl Keygen {
    fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        let path = key_file(self.out.as_deref(), &settings);
        if path.exists() {
            return Err(Failure::Refused(format!("{} exists; a signing key is never overwritten", path.display())));
        }
        let public = SigningKey::create(path)?.public().to_string();
        let file = path.display().to_string();
        Ok(Report::new(json!({ "public_key": public, "file": file }), public))
    }
}

/// Loads the key. A missing one is never created: a wrong path would silently change the key.
pub(super) fn signing_key(flag: Option<&Path>, settings: &Config) -> Result<SigningKey> {
    let path = key_file(flag, settings);
    if path.exists() {
        return Ok(SigningKey::load(path)?);
    }
    Err(Failure::Refused(format!(
        "the signing key {} is missing; give its path with --key, or create one with `rylie audit keygen`, and keep it \
         away from the database",
        path.display()
    )))
}

/// Loads the signing key. Returns `None` if no flag names it, and the file of the settings, or the default file, is
/// missing or belongs to another user.
pub(super) fn signing_key_if_any(flag: Option<&Path>, settings: &Config) -> Result<Option<SigningKey>> {
    let path = key_file(flag, settings);
    let readable = || std::fs::File::open(path).is_ok();
    Ok((flag.is_some() || readable()).then(|| SigningKey::load(path)).transpose()?)
}

/// Reads the checkpoints at the place that the settings name. Fails if a sealed log has none there.
pub(super) fn kept_checkpoints(settings: &Config, sealed: bool) -> Result<Outside> {
    let (outside, place) = outside::kept(settings)?;
    outside::refuse_lost(settings, place.as_deref(), sealed)?;
    Ok(outside)
}

/// Returns the path of the flag, or else of the settings.
fn key_file<'f>(flag: Option<&'f Path>, settings: &'f Config) -> &'f Path {
    flag.or(settings.audit_key()).unwrap_or(Path::new(KEY_FILE))
}
