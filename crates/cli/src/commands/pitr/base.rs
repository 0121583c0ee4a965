//! `rylie pitr base`

use clap::Args;
use rylie_db::audit::Action;
use rylie_db::maintenance::{BaseOptions, Pruned};
use serde_json::json;

use super::{Place, recorded};
use crate::arguments::Global;
use crate::failure::Result;
use crate::progress;
use crate::report::{Report, table};

/// Copy the cluster, verify the copy, and remove old ones
///
/// A base appears in the folder when it is complete and `pg_verifybackup` has read every file of it. With `--keep` older
/// bases are removed afterwards, and the WAL before the oldest one that stays. The newest one is never removed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  rylie pitr base --keep 7 --max-rate 50M")]
pub(crate) struct Base {
    #[command(flatten)]
    place: Place,
    /// How many bases stay; all without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Bytes a second at most: `32M`, `500k`
    #[arg(long, value_name = "RATE", value_parser = rate)]
    max_rate: Option<String>,
    /// Copy only what changed since the newest base; PostgreSQL 17 with `summarize_wal`
    #[arg(long)]
    incremental: bool,
}

impl Base {
    pub(super) async fn run(&self, global: &Global) -> Result<Report> {
        let settings = global.settings()?;
        if self.place.is_pgbackrest(&settings) {
            let pgbackrest = settings.pgbackrest_of_server().await?;
            pgbackrest.base(self.incremental).await?;
            let is_recorded = recorded(&settings, Action::PitrBaseCreated, "pgbackrest", &[]).await;
            let json = json!({ "via": "pgbackrest", "program": pgbackrest.shown(), "recorded": is_recorded });
            return Ok(Report::new(json, "the backup is complete; pgBackRest's settings decide how many stay"));
        }
        let folder = self.place.folder(&settings)?;
        let options = BaseOptions { max_rate: self.max_rate.clone(), incremental: self.incremental };
        let base = settings.make_base(&folder, &options, &progress::bytes(global, "copying")).await?;
        let manifest = &base.manifest;
        let facts = [("sha256", base.sha256.clone())];
        let is_recorded = recorded(&settings, Action::PitrBaseCreated, &manifest.id, &facts).await;
        let removed = match self.keep {
            Some(keep) => folder.prune(usize::try_from(keep).unwrap_or(usize::MAX)).await?,
            None => Pruned::default(),
        };
        let json = json!({
            "via": "native",
            "id": manifest.id,
            "path": base.path,
            "sha256": base.sha256,
            "bytes": manifest.bytes,
            "timeline": manifest.timeline,
            "start": manifest.start,
            "end": manifest.end,
            "ended_at": manifest.ended_at,
            "parent": manifest.parent,
            "verified": true,
            "removed": removed.bases,
            "removed_segments": removed.segments,
            "recorded": is_recorded,
        });
        let mut rows = vec![
            ("base", manifest.id.clone()),
            ("folder", base.path.display().to_string()),
            ("size", format!("{} bytes, verified", manifest.bytes)),
            ("WAL", format!("{} to {}, timeline {}", manifest.start, manifest.end, manifest.timeline)),
        ];
        rows.extend(removed.bases.iter().map(|id| ("removed", id.clone())));
        if removed.segments > 0 {
            rows.push(("removed", format!("{} WAL segments", removed.segments)));
        }
        Ok(Report::new(json, table(rows)))
    }
}

/// A rate of `pg_basebackup`.
fn rate(text: &str) -> std::result::Result<String, String> {
    let number = text.strip_suffix(['k', 'M']).unwrap_or(text);
    let is_number = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.to_owned()).ok_or_else(|| "a rate is a number with k or M, such as 32M".to_owned())
}
