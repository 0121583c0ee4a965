//! `rylie audit verify`, `prove` and `verify-proof`.
//!
//! This file is long because the three commands share their checkpoints, keys and wording.

mod progress;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use rylie_db::audit::{
    Error as AuditError, Outside, Proof, PublicKey, Seen, Tampering, VerifiedUpTo, Verifier, WitnessKey, Witnesses,
};
use rylie_db::crypto::Object;
use rylie_db::maintenance::{
    self, CheckedTenantAudit, ContinuedExport, Verification, check_tenant_audit, continues_export, verify_audit,
};
use rylie_db::repositories::{self, AuditExtent};
use rylie_db::{Config, Database};
use serde_json::json;

use self::progress::{Bar, Noted};
use super::consistency;
use super::outside::{Compared, kept, refuse_lost};
use crate::arguments::Global;
use crate::commands::existing;
use crate::failure::{Failure, Result};
use crate::new_file::NewFile;
use crate::report::Report;

/// The keys and checkpoints that a verifier trusts
#[derive(Args, Debug)]
struct TrustArgs {
    /// Checkpoints that were kept outside the database: a file of `rylie audit seal`
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// Trust only this key (may be given several times), instead of every key that the checkpoints name
    #[arg(long, value_name = "KEY", env = "RYLIE_AUDIT_PUBLIC_KEY", value_delimiter = ',')]
    public_key: Vec<String>,
}

/// Check every sealed record, and report the first bad one; exit code 3 if there is one
///
/// Reads only: a login that may read the log and its seals suffices (`rylie roles provision --readonly` with
/// `--cross-tenant`, or `GRANT rylie_auditor TO ann`). A rebuilt log or an
/// older copy is detected only with checkpoints from outside, and a signature by a foreign key only with
/// `--public-key`. Without `--checkpoint` the log is compared with the checkpoints at `RYLIE_AUDIT_CHECKPOINTS` or
/// `audit_checkpoints` in the file of settings; at `s3://BUCKET/PREFIX` with the newest one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit verify --checkpoint checkpoints.txt --json")]
pub(crate) struct Verify {
    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    witnesses: WitnessArgs,

    /// Continue where the last run with this file stopped, and store the progress there
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// Write the proof that a record was sealed
///
/// The proof contains the record: the file is for its owner only, and an existing one is not overwritten.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit prove 0199f0c4-7d11-7f00-9d4e-000000000001 --out proof.json")]
pub(crate) struct Prove {
    /// The record's id
    id: String,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long, requires = "out")]
    force: bool,
}

/// Check a proof, without a database; exit code 3 if it does not hold
///
/// The key in the proof is trusted, unless `--public-key` or `--checkpoint` names others.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit verify-proof proof.json --checkpoint checkpoints.txt")]
pub(crate) struct VerifyProof {
    /// The proof
    file: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Check that a tenant's export holds every sealed audit record, without a database; exit code 3 if it does not
///
/// `rylie tenant export` wrote the file. Records that are not sealed yet are counted separately: no signature covers
/// them.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  rylie audit verify-export north.jsonl --since north-of-october.jsonl --checkpoint checkpoints.txt"
)]
pub(crate) struct VerifyExport {
    /// The export
    file: PathBuf,
    /// Check also that this export only adds to an earlier one of the tenant
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// With --since: consecutive checkpoints between both exports, from `audit prove-consistency` or `audit seal
    /// --checkpoints`; they show that the log as a whole continued, too
    #[arg(long, value_name = "FILE", requires = "since")]
    consistency: Option<PathBuf>,
    /// Accept an unsigned export: missing batches at its end are then not detected
    #[arg(long)]
    unsigned: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

/// The witnesses that must have seen the log
#[derive(Args, Debug)]
struct WitnessArgs {
    /// Require this witness, by the key that `rylie audit witness` prints (may be given several times) [default:
    /// `audit_witnesses` in the file of settings]
    #[arg(long, value_name = "KEY", env = "RYLIE_AUDIT_WITNESSES", value_delimiter = ',')]
    witness: Vec<String>,

    /// A file of statements of witnesses (may be given several times) [default: `audit_witness_statements` in the file
    /// of settings]
    #[arg(long, value_name = "FILE", env = "RYLIE_AUDIT_WITNESS_STATEMENTS", value_delimiter = ',')]
    witness_statements: Vec<PathBuf>,

    /// How many of the witnesses must have seen the log [default: `audit_witnesses_required`, else all]
    #[arg(long, value_name = "M", env = "RYLIE_AUDIT_WITNESSES_REQUIRED")]
    require: Option<u32>,
}

impl WitnessArgs {
    fn read(&self, settings: &Config) -> Result<Witnesses> {
        let keys: Vec<WitnessKey> = match &self.witness[..] {
            [] => settings.audit_witnesses().to_vec(),
            keys => keys.iter().map(|key| WitnessKey::parse(key)).collect::<std::result::Result<_, _>>()?,
        };
        let required = self.require.or(settings.audit_witnesses_required());
        let files = match &self.witness_statements[..] {
            [] => settings.audit_witness_statements(),
            files => files,
        };
        if keys.is_empty() {
            if self.require.is_some() || !self.witness_statements.is_empty() {
                return Err(Failure::Usage("name the witnesses by --witness, or by `audit_witnesses`".to_owned()));
            }
            return Ok(Witnesses::default());
        }
        let required = required.map(|required| usize::try_from(required).unwrap_or(usize::MAX));
        let mut witnesses = Witnesses::new(keys, required)?;
        files.iter().try_for_each(|file| witnesses.read(file))?;
        Ok(witnesses)
    }
}

impl TrustArgs {
    fn keys(&self) -> Result<Vec<PublicKey>> {
        Ok(self.public_key.iter().map(|key| PublicKey::parse(key)).collect::<std::result::Result<_, _>>()?)
    }

    fn checkpoints(&self) -> Result<Outside> {
        Ok(self.checkpoint.as_deref().map_or(Ok(Outside::default()), Outside::read)?)
    }
}

/// Names the right that a login without access to the whole log needs. It permits reading only.
fn whole_log(error: repositories::Error) -> Failure {
    match error {
        repositories::Error::Database(fault) if fault.has_code(&["42501"]) => Failure::NotReady(
            "this login may not read the whole audit log; `GRANT rylie_auditor TO` it, or use a reader of `rylie roles provision \
             --readonly NAME --cross-tenant`: both only read"
                .to_owned(),
        ),
        error => rylie_db::Error::from(error).into(),
    }
}

impl Verify {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let (keys, named, earlier) = (self.trust.keys()?, self.trust.checkpoints()?, self.earlier()?);
        // Skip the check of migrations: a login that may only read the log cannot read them.
        let settings = existing(global).await?;
        // All evidence is read before the log: a later checkpoint is not in the snapshot that is verified.
        let (outside, place) = match &self.trust.checkpoint {
            Some(file) => (named, Some(file.display().to_string())),
            None => kept(&settings)?,
        };
        let compared = Compared { place, checkpoints: outside.count(), earlier: earlier.is_some() };
        let witnesses = self.witnesses.read(&settings)?;
        let (required, of) = witnesses.required();
        let mut verifier = Verifier::new(&keys, outside).witnessed(witnesses);
        if let Some(progress) = earlier {
            verifier = verifier.resume(progress);
        }
        let database = Database::connect(settings).await?;
        let reader = database.audit_reader().await?;
        // A false table is not read, as it could run code of its owner; the verification names it.
        let extent = match reader.relations(verifier.expects_batches()).await.map_err(whole_log)? {
            None => reader.extent().await.map_err(whole_log)?,
            Some(_) => AuditExtent::default(),
        };
        refuse_lost(database.config(), compared.place.as_deref(), extent.batches > 0)?;
        let mut bar = Bar { total: extent.records, shown: !global.quiet && !global.json && io::stderr().is_terminal() };
        let mut noted = Noted { file: self.state.as_deref(), records: 0, failed: None };
        let begun = Instant::now();
        let mut report_progress = |seen: &Seen, progress: &VerifiedUpTo| {
            bar.show(seen);
            noted.note(seen, progress);
        };
        let verification = verify_audit(&reader, verifier, &mut report_progress).await?;
        let took = begun.elapsed();
        let waiting = match &verification.first_bad {
            None => reader.waiting().await.map_err(rylie_db::Error::from)?,
            // Its table may be gone.
            Some(_) => reader.waiting().await.unwrap_or_default(),
        };
        bar.end();
        drop(reader);
        database.close().await;
        noted.write(&verification.progress)?;
        Ok(report(&verification, &compared, (required, of), waiting, took))
    }

    fn earlier(&self) -> Result<Option<VerifiedUpTo>> {
        let Some(file) = self.state.as_deref().filter(|file| file.exists()) else { return Ok(None) };
        let wrong = |_| {
            Failure::Usage(format!(
                "{} is not the state of a verification; remove it to start from the beginning",
                file.display()
            ))
        };
        serde_json::from_str::<Object<VerifiedUpTo>>(&read(file)?).map(|Object(progress)| Some(progress)).map_err(wrong)
    }
}

fn report(
    verification: &Verification,
    compared: &Compared,
    (required, of): (usize, usize),
    waiting: u64,
    took: Duration,
) -> Report {
    let Verification { first_bad, seen, progress } = verification;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate, for people"
    )]
    let rate = (seen.records as f64 / took.as_secs_f64().max(1e-9)) as u64;
    let document = json!({
        "ok": first_bad.is_none(),
        "records": seen.records,
        "records_per_second": rate,
        "waiting": waiting,
        "first_bad": first_bad,
        "batches": seen.batches,
        "last_batch": progress.batch,
        "total": progress.total,
        "erased": seen.erased,
        "erasures_waiting": seen.erasures_waiting,
        "quarantined": seen.quarantined,
        "removed_batches": seen.removed_batches,
        "removed_records": seen.removed_records,
        "keys": seen.keys,
        "outside": compared.json(),
        "witnesses": (of > 0).then(|| json!({ "required": required, "of": of, "last_batch": seen.witnessed })),
    });
    let mut text = format!(
        "checked {} records in {} batches, {rate} a second; {waiting} more wait to be sealed",
        seen.records, seen.batches
    );
    let parts = [
        (seen.removed_batches, "; ", " batches were removed by retention"),
        (seen.erased, "; ", " records have an erased part"),
        (seen.quarantined, "; ", " records are quarantined, because they have an irregular value"),
        (seen.erasures_waiting, ", ", " of them by an unsealed erasure: seal, and verify again"),
    ];
    text.extend(parts.iter().filter(|(n, ..)| *n > 0).map(|(n, before, words)| format!("{before}{n}{words}")));
    for key in &seen.keys {
        text += "\nsigned by ";
        text += key;
    }
    text += "\n";
    text += &compared.in_words();
    if of > 0 {
        text.extend([format!("\n{required} of {of} witnesses have seen the log up to batch {}", seen.witnessed)]);
    }
    let verdict = first_bad.as_ref().map(|finding| {
        let what = json!(finding.what);
        Failure::Found(if finding.what == Tampering::OtherDatabase {
            format!("{finding}; name the checkpoints of this database, or check whether it was rebuilt")
        } else {
            format!("the audit log was tampered with ({}): {finding}", what.as_str().unwrap_or_default())
        })
    });
    Report::new(document, text).with_verdict(verdict)
}

impl Prove {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let file = self.out.as_deref().map(|out| NewFile::create(out, self.force)).transpose()?;
        let database = Database::connect(existing(global).await?).await?;
        let reader = database.audit_reader().await?;
        let proof = reader.prove(&self.id).await.map_err(rylie_db::Error::from)?;
        drop(reader);
        database.close().await;
        if let Err(error) = proof.check() {
            return Ok(unproven(&format!("{error}; run `rylie audit verify`")));
        }
        let text = serde_json::to_string_pretty(&proof).unwrap_or_default();
        match (file, &self.out) {
            (Some(mut file), Some(out)) => {
                file.line(&text)?;
                file.publish()?;
                let path = out.display().to_string();
                Ok(Report::new(json!({ "ok": true, "file": path }), format!("wrote the proof to {path}")))
            }
            _ => Ok(Report::new(json!(proof), text).despite_quiet()),
        }
    }
}

impl VerifyProof {
    pub(crate) fn run(&self) -> Result<Report> {
        let (keys, checkpoints) = (self.trust.keys()?, self.trust.checkpoints()?);
        let outcome = Proof::parse(&read(&self.file)?).and_then(|proof| Ok((proof.check()?, proof)));
        let (signed, proof) = match outcome {
            Ok(checked) => checked,
            Err(error) => return Ok(unproven(&error.to_string())),
        };
        let batch = signed.checkpoint().batch;
        if !keys.is_empty() && !keys.contains(&signed.key()) {
            return Ok(unproven("it is signed by a key that is not trusted"));
        }
        if !checkpoints.is_empty() && !checkpoints.contains(&signed) {
            return Ok(unproven("its checkpoint is not among those of --checkpoint"));
        }
        let document = json!({
            "ok": true,
            "record": proof.record.id,
            "batch": batch,
            "time": signed.checkpoint().time,
            "key": signed.key().to_string(),
        });
        let text = format!("the record {} was sealed in batch {batch}, signed by {}", proof.record.id, signed.key());
        Ok(Report::new(document, text))
    }
}

impl VerifyExport {
    pub(crate) fn run(&self) -> Result<Report> {
        let (keys, outside) = (self.trust.keys()?, self.trust.checkpoints()?);
        match check_tenant_audit(&self.file, &keys, &outside) {
            Ok(checked) => {
                let added = match self.added(&keys, &outside, &checked) {
                    Ok(added) => added,
                    Err(error) => return not_continued(error),
                };
                let CheckedTenantAudit {
                    tenant, records, emptied, quarantined, removed, unsealed, latest, head, ..
                } = checked;
                if head.is_none() && !self.unsigned {
                    return Ok(incomplete(
                        "the export is not signed, so batches at its end may be missing; export it where the signing key \
                         is, or accept it with --unsigned",
                    ));
                }
                let batch = latest.as_ref().map(|latest| latest.checkpoint().batch);
                let mut text = format!(
                    "all {records} sealed records of {tenant} are present up to batch {}; {removed} were removed by retention, {unsealed} are not sealed",
                    batch.unwrap_or_default()
                );
                if emptied > 0 {
                    text.extend([format!(
                        "; {emptied} of them lack a personal part: only `rylie audit verify` on the database shows \
                         whether it was erased or removed by tampering"
                    )]);
                }
                if quarantined > 0 {
                    text.extend([format!(
                        "; {quarantined} of them are quarantined, because their time or position is irregular"
                    )]);
                }
                if let Some(ContinuedExport { batches, records }) = added {
                    text.extend([format!("; it adds {records} records in {batches} batches to the earlier export")]);
                }
                let document = json!({
                    "added": added.map(|added| json!({ "batches": added.batches, "records": added.records })),
                    "ok": true, "tenant": tenant, "records": records, "emptied": emptied, "quarantined": quarantined, "removed_records": removed, "unsealed": unsealed, "batch": batch,
                    "made_at": head.map(|head| head.time),
                });
                Ok(Report::new(document, text))
            }
            Err(error @ maintenance::Error::TenantFile { .. }) => Ok(incomplete(&error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

impl VerifyExport {
    /// Compares the export with the earlier one, if there is one.
    fn added(
        &self,
        keys: &[PublicKey],
        outside: &Outside,
        later: &CheckedTenantAudit,
    ) -> maintenance::Result<Option<ContinuedExport>> {
        let Some(file) = &self.since else { return Ok(None) };
        let earlier = check_tenant_audit(file, keys, outside)?;
        let Some(proof) = &self.consistency else { return continues_export(&earlier, later, None).map(Some) };
        let mut proof = consistency::checkpoints(proof)?.into_iter().map(Ok);
        continues_export(&earlier, later, Some(&mut proof)).map(Some)
    }
}

/// Reports that an export does not continue the earlier one. A file that cannot be read is an error of its own.
fn not_continued(error: maintenance::Error) -> Result<Report> {
    match error {
        maintenance::Error::TenantFile { .. } => Ok(incomplete(&error.to_string())),
        maintenance::Error::Invalid { what, reason } => Ok(incomplete(&format!("{what}: {reason}"))),
        maintenance::Error::Data { source: repositories::Error::Audit(source), .. }
            if !matches!(source, AuditError::File { .. }) =>
        {
            Ok(incomplete(&source.to_string()))
        }
        error => Err(error.into()),
    }
}

fn incomplete(reason: &str) -> Report {
    Report::disproved(reason, reason.to_owned())
}

fn unproven(reason: &str) -> Report {
    Report::disproved(reason, format!("the proof does not hold: {reason}"))
}

fn read(file: &Path) -> Result<String> {
    let doing = format!("reading {}; check that it exists and is readable text", file.display());
    std::fs::read_to_string(file).map_err(|source| Failure::File { doing, source })
}
