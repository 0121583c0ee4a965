//! `usage-events`: removes old usage events.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::{Job, JobContext};
use crate::remove_usage_events;
use crate::sweep::Sweep;

/// Removes counted usage events, every night.
#[derive(Clone, Copy, Debug)]
pub struct RemoveUsageEvents {
    /// How long they are kept: longer than any sender retries.
    pub after: Duration,
}

#[async_trait]
impl Job for RemoveUsageEvents {
    fn name(&self) -> &'static str {
        "usage-events"
    }

    fn cron(&self) -> &'static str {
        "33 2 * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        Ok(json!({ "deleted": remove_usage_events(context.store(), self.after, &Sweep::default()).await? }))
    }
}
