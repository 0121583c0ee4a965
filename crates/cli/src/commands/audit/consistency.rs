//! `rylie audit prove-consistency` and `verify-consistency`

use std::path::{Path, PathBuf};

use clap::Args;
use rylie_db::Database;
use rylie_db::audit::{Consistency, PublicKey, SignedCheckpoint};
use rylie_db::maintenance::{self, read_checkpoints};
use serde_json::json;

use crate::arguments::Global;
use crate::commands::existing;
use crate::failure::{Failure, Result};
use crate::new_file::NewFile;
use crate::report::Report;

/// Number of checkpoints read at a time.
const PAGE: u64 = 1_000;

/// Write the proof that the log at one checkpoint continues the log at an earlier one
///
/// The proof is the chain of signed checkpoints between both, ends included. A file of `audit seal --checkpoints` is
/// such a proof for any two of its checkpoints.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit prove-consistency --from 12 --to 30 --out chain.txt")]
pub(crate) struct ProveConsistency {
    /// The batch of the earlier checkpoint
    #[arg(long, value_name = "BATCH", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// The batch of the later checkpoint [default: the newest]
    #[arg(long, value_name = "BATCH", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

/// Check without a database that one checkpoint continues the log of another; exit code 3 if it does not
///
/// It holds for the first and the last checkpoint of the proof. --old and --new name checkpoints that you kept; the
/// proof must contain them in that order.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie audit verify-consistency chain.txt --old october.txt --new november.txt")]
pub(crate) struct VerifyConsistency {
    /// The proof, or a file of `audit seal --checkpoints`
    file: PathBuf,
    /// A file whose newest checkpoint is the earlier one
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// A file whose newest checkpoint is the later one
    #[arg(long, value_name = "FILE")]
    new: Option<PathBuf>,
    /// Trust only this key (may be given several times), instead of every key that the checkpoints name
    #[arg(long, value_name = "KEY", env = "RYLIE_AUDIT_PUBLIC_KEY", value_delimiter = ',')]
    public_key: Vec<String>,
}

impl ProveConsistency {
    pub(crate) async fn run(&self, global: &Global) -> Result<Report> {
        let mut file = NewFile::create(&self.out, self.force)?;
        let database = Database::connect(existing(global).await?).await?;
        let reader = database.audit_reader().await?;
        let failed = rylie_db::Error::from;
        let to = match self.to {
            Some(to) => to,
            None => reader.extent().await.map_err(failed)?.batches,
        };
        if to < self.from {
            return Err(Failure::NotReady(format!("the log has no batch from {} to {to}", self.from)));
        }
        let (mut chain, mut after) = (Consistency::default(), self.from - 1);
        while after < to {
            let page = reader.checkpoints_after(after, PAGE.min(to - after)).await.map_err(failed)?;
            if page.is_empty() {
                return Err(Failure::NotReady(format!("the log ends at batch {after}, before batch {to}")));
            }
            for text in page {
                let next = SignedCheckpoint::parse(&text)?;
                after = next.checkpoint().batch;
                file.line(text.trim_end())?;
                if let Err(error) = chain.add(next) {
                    return Ok(inconsistent(&format!("{error}; run `rylie audit verify`")));
                }
            }
        }
        drop(reader);
        database.close().await;
        file.publish()?;
        let path = self.out.display().to_string();
        let (from, checkpoints) = (self.from, to - self.from + 1);
        let document = json!({ "ok": true, "file": path, "from": from, "to": to, "checkpoints": checkpoints });
        Ok(Report::new(document, format!("wrote {checkpoints} checkpoints, of batch {from} to {to}, to {path}")))
    }
}

impl VerifyConsistency {
    pub(crate) fn run(&self) -> Result<Report> {
        let keys: Vec<PublicKey> =
            self.public_key.iter().map(|key| PublicKey::parse(key)).collect::<std::result::Result<_, _>>()?;
        let (old, new) = (newest(self.old.as_deref())?, newest(self.new.as_deref())?);
        let (mut chain, mut seen) = (Consistency::default(), [old.is_none(), new.is_none()]);
        for next in checkpoints(&self.file)? {
            if !keys.is_empty() && !keys.contains(&next.key()) {
                return Ok(inconsistent(&format!("batch {} is signed by another key", next.checkpoint().batch)));
            }
            seen[0] |= old.as_ref().is_some_and(|old| old.hash() == next.hash());
            seen[1] |= seen[0] && new.as_ref().is_some_and(|new| new.hash() == next.hash());
            if let Err(error) = chain.add(next) {
                return Ok(inconsistent(&error.to_string()));
            }
        }
        if seen != [true, true] {
            let which = if seen[0] { "new" } else { "old" };
            return Ok(inconsistent(&format!("it does not contain the checkpoint of --{which}, or not in that order")));
        }
        let Some((first, last)) = chain.ends() else { return Ok(inconsistent("it has no checkpoint")) };
        let (from, to) = (first.checkpoint().batch, last.checkpoint().batch);
        let document = json!({
            "ok": true, "from": from, "to": to, "records": last.checkpoint().total - first.checkpoint().total,
            "removed": last.checkpoint().removed, "keys": [first.key().to_string(), last.key().to_string()],
        });
        let text = format!("the log at batch {to} continues the log at batch {from}, signed by {}", last.key());
        Ok(Report::new(document, text))
    }
}

/// Reads all checkpoints of a file. They take about a kilobyte each.
pub(super) fn checkpoints(file: &Path) -> maintenance::Result<Vec<SignedCheckpoint>> {
    let mut all = Vec::new();
    let place = file.to_string_lossy();
    read_checkpoints(&place, 0, &mut |checkpoint| {
        all.push(checkpoint);
        Ok(())
    })?;
    Ok(all)
}

fn newest(file: Option<&Path>) -> Result<Option<SignedCheckpoint>> {
    let Some(file) = file else { return Ok(None) };
    let all = checkpoints(file)?;
    Ok(all.into_iter().max_by_key(|checkpoint| checkpoint.checkpoint().batch))
}

fn inconsistent(reason: &str) -> Report {
    Report::disproved(reason, format!("the checkpoints are not consistent: {reason}"))
}
