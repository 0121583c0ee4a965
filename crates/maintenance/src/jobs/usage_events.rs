//! `usage-events`: events that nobody delivers again are forgotten.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::{Job, JobContext};
use crate::remove_usage_events;
use crate::sweep::Sweep;

/// Forgets the events that usage was counted by, every night.
#[derive(Clone, Copy, Debug)]
pub struct RemoveUsageEvents {
    /// How long they are kept: longer than any sender tries again.
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
