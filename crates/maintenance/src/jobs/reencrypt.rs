//! `reencrypt`: secrets come to the active key.

use async_trait::async_trait;
use rylie_repositories::Progress;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::{Job, JobContext};

/// Values of one transaction.
const BATCH: u64 = 500;

/// Brings every secret to the active key and the form its column's policy writes, once a week; where all are, it only
/// reads.
#[derive(Clone, Copy, Debug)]
pub struct Reencrypt;

#[async_trait]
impl Job for Reencrypt {
    fn name(&self) -> &'static str {
        "reencrypt"
    }

    fn cron(&self) -> &'static str {
        "43 2 * * 6"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let done = crate::reencrypt(context.store(), BATCH, &Progress::none()).await?;
        if !done.unreadable.is_empty() {
            tracing::warn!(values = done.unreadable.len(), "some secrets do not open; see `rylie keys report`");
        }
        Ok(json!({
            "looked_at": done.looked_at,
            "reencrypted": done.reencrypted,
            "changed_meanwhile": done.changed_meanwhile,
            "unreadable": done.unreadable.len(),
        }))
    }
}
