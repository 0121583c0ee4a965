//! The jobs of the scheduler for point-in-time recovery.

use std::sync::Arc;
use std::time::Duration;

use rylie_audit::Action;
use rylie_entities::Env;
use rylie_maintenance::{
    BaseOptions, Error, JobContext, Notifier, PitrFolder, Result, check_wal_silence, deliver_alerts,
};
use rylie_repositories::Progress;
use serde_json::{Value, json};

use crate::backup::failed;
use crate::config::Config;

/// How long the WAL may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// `pitr-check`: watches that the WAL arrives, every minute. In a folder it also writes a marker to the WAL, so that
/// restores can go to this minute.
pub(crate) struct CheckPitr {
    pub(crate) config: Arc<Config>,
    /// The native path; `None` for the stanza of pgBackRest.
    pub(crate) folder: Option<PitrFolder>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) notifiers: Vec<Notifier>,
}

/// `pitr-base`: makes a base and removes old ones, every night at one.
pub(crate) struct MakeBase {
    pub(crate) config: Arc<Config>,
    pub(crate) folder: PitrFolder,
}

impl CheckPitr {
    pub(crate) async fn run(&self, context: &JobContext) -> Result<Value> {
        let limit = self.config.pitr_alert_after();
        let seen = match &self.folder {
            Some(folder) => self.look_at_folder(folder, limit).await?,
            None => self.look_at_stanza().await?,
        };
        check_wal_silence(context.store(), seen.silence, limit, &self.notifiers).await?;
        let undelivered = deliver_alerts(context.store(), &*self.env, &self.notifiers).await?.len();
        if !seen.problems.is_empty() {
            return Err(Error::PitrNotReady { problems: seen.problems });
        }
        let mut facts = seen.facts;
        facts["undelivered"] = json!(undelivered);
        Ok(facts)
    }
}

/// The findings of one look.
struct Seen {
    /// For how long no WAL has arrived; `None` if it does not arrive at all.
    silence: Option<i64>,
    problems: Vec<String>,
    facts: Value,
}

impl CheckPitr {
    async fn look_at_folder(&self, folder: &PitrFolder, limit: Duration) -> Result<Seen> {
        let arrived = self.config.wait_for_wal(folder, PATIENCE).await.is_ok_and(|arrival| arrival.took.is_some());
        let status = self.config.pitr_status(folder, Duration::ZERO, limit).await.map_err(failed)?;
        let broken = ["server", "cluster", "slot", "receiver"];
        let is_broken = !arrived && status.findings.iter().any(|finding| broken.contains(&finding.id.as_str()));
        let first = status.findings.first().map(|finding| format!("{}: {}", finding.id, finding.detail));
        Ok(Seen {
            silence: if is_broken { None } else { status.lag_seconds },
            problems: first.into_iter().collect(),
            facts: json!({
                "lag_seconds": status.lag_seconds,
                "window_start": status.window_start,
                "window_end": status.window_end,
            }),
        })
    }

    async fn look_at_stanza(&self) -> Result<Seen> {
        let status = self.config.watch_pgbackrest().await.map_err(failed)?;
        let facts = json!({ "last_wal": status.last_wal, "window_start": status.window_start });
        Ok(Seen { silence: status.lag_seconds, problems: status.problems, facts })
    }
}

impl MakeBase {
    pub(crate) async fn run(&self) -> Result<Value> {
        let options = BaseOptions::default();
        let base = self.config.make_base(&self.folder, &options, &Progress::none()).await.map_err(failed)?;
        let id = &base.manifest.id;
        let facts = [("sha256", base.sha256.clone())];
        self.config.record_pitr(Action::PitrBaseCreated, id, &facts).await.map_err(failed)?;
        let removed = match self.config.pitr.keep {
            Some(keep) => self.folder.prune(keep).await?,
            None => rylie_maintenance::Pruned::default(),
        };
        Ok(json!({ "id": id, "bytes": base.manifest.bytes, "removed": removed.bases, "segments": removed.segments }))
    }
}
