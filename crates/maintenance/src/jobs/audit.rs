//! `audit`: seals new records and removes expired ones.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rylie_audit::{CheckpointSink, SigningKey};
use rylie_entities::Env;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::job::{Job, JobContext};
use crate::{checkpoint_sink, retain_audit, seal_audit};

/// Seals the audit log every five minutes, and removes sealed batches after their retention time.
#[derive(Clone)]
pub struct SealAudit {
    /// The file of the signing key; read at each run.
    pub key: PathBuf,
    /// The destination of checkpoints for [`checkpoint_sink`]: a place that the database's administrators cannot write
    /// to.
    pub checkpoints: Option<String>,
    /// How many days records are kept; `None` keeps them forever.
    pub keep_days: Option<u32>,
    /// The clock for their age.
    pub env: Arc<dyn Env>,
}

#[async_trait]
impl Job for SealAudit {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn cron(&self) -> &'static str {
        "*/5 * * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let unreadable =
            |error: rylie_audit::Error| Error::Data { doing: "reading the signing key", source: error.into() };
        let key = SigningKey::load(&self.key).map_err(unreadable)?;
        let sink = self.checkpoints.as_deref().map(checkpoint_sink).transpose()?;
        let sinks: Vec<&dyn CheckpointSink> = sink.as_deref().into_iter().collect();
        let mut deleted = 0;
        if let Some(days) = self.keep_days {
            deleted = retain_audit(context.store(), &key, &sinks, self.env.now(), days).await?.records;
        }
        let sealed = seal_audit(context.store(), &key, &sinks).await?;
        Ok(json!({ "sealed": sealed.records, "deleted": deleted }))
    }
}
