//! `purge`: permanently removes rows that were soft-deleted long ago.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::{Job, JobContext};
use crate::purge_deleted;
use crate::sweep::Sweep;

/// Permanently removes requests and tasks some time after their soft deletion, every night.
#[derive(Clone, Copy, Debug)]
pub struct PurgeDeleted {
    /// How long they are kept.
    pub after: Duration,
}

#[async_trait]
impl Job for PurgeDeleted {
    fn name(&self) -> &'static str {
        "purge"
    }

    fn cron(&self) -> &'static str {
        "23 2 * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let purged = purge_deleted(context.store(), self.after, &Sweep::default()).await?;
        Ok(json!({ "deleted": purged.requests + purged.tasks, "requests": purged.requests, "tasks": purged.tasks }))
    }
}
