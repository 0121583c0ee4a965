//! `audit`: what was recorded is sealed, and what is past its time goes.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rylie_audit::{CheckpointSink, SigningKey};
use rylie_entities::Env;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::job::{Job, JobContext};
use crate::{checkpoint_sink, retain_audit, seal_audit};

/// Seals the audit log every five minutes, and removes sealed batches that are older than they are kept.
#[derive(Clone)]
pub struct SealAudit {
    /// The file of the key that signs; read at each run.
    pub key: PathBuf,
    /// Where checkpoints go, as [`checkpoint_sink`] takes it: where whoever administers the database cannot write.
    pub checkpoints: Option<String>,
    /// For how many days records are kept; `None`: for ever.
    pub keep_days: Option<u32>,
    /// The clock that their age is told by.
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
