//! Retention in a restored copy: what would have been removed since the backup is removed before the copy opens.

use rylie_audit::{CheckpointSink, SigningKey};
use rylie_entities::{Env, SystemEnv};
use rylie_maintenance::{
    PurgedDeleted, RemovedExpired, Sweep, checkpoint_sink, purge_deleted, remove_expired, remove_usage_events,
    retain_audit,
};
use serde::Serialize;

use crate::database::Database;
use crate::error::{Error, Result};

/// The rows that retention removed from a restored copy.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Retained {
    /// Sessions and verification tokens that have expired.
    #[serde(flatten)]
    pub expired: RemovedExpired,
    /// Requests and tasks that were soft-deleted long ago.
    #[serde(flatten)]
    pub purged: PurgedDeleted,
    /// Counted usage events.
    pub usage_events: u64,
    /// Records of the audit log past their retention time.
    pub audit_records: u64,
    /// Why the retention of the audit log was not applied, such as a copy that is older than the checkpoints outside.
    pub audit_problem: Option<String>,
}

impl Database {
    /// Applies the retention times of the settings. The audit log's needs `audit_keep_days` and a readable `audit_key`.
    pub(super) async fn apply_retention(&self) -> Result<Retained> {
        let store = self.store();
        let (settings, sweep) = (&self.config().maintenance, Sweep::default());
        let mut retained = Retained {
            expired: remove_expired(&*store, &sweep).await?,
            purged: purge_deleted(&*store, settings.purge_after, &sweep).await?,
            usage_events: remove_usage_events(&*store, settings.usage_events_after, &sweep).await?,
            ..Retained::default()
        };
        let key = settings.audit_key.as_deref().filter(|path| std::fs::File::open(path).is_ok());
        let (Some(key), Some(days)) = (key, settings.audit_keep_days) else { return Ok(retained) };
        let key = SigningKey::load(key)?;
        let sink = settings.audit_checkpoints.as_deref().map(checkpoint_sink).transpose()?;
        let sinks: Vec<&dyn CheckpointSink> = sink.iter().map(|sink| &**sink).collect();
        match retain_audit(&*store, &key, &sinks, SystemEnv.now(), days).await {
            Ok(removed) => retained.audit_records = removed.records,
            Err(error) => retained.audit_problem = Some(in_words(&error.into())),
        }
        Ok(retained)
    }
}

fn in_words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
