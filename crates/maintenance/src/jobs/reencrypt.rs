//! `reencrypt`: re-encrypts secrets under the active key.

use async_trait::async_trait;
use rylie_repositories::Progress;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::{Job, JobContext};

/// Number of values in one transaction.
const BATCH: u64 = 500;

/// Re-encrypts every secret under the active key, in the form that its column's policy writes, once a week. Only reads
/// if all are current.
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
