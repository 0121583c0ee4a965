//! `usage`: closes billing periods that have ended.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::close_usage;
use crate::error::Result;
use crate::job::{Job, JobContext};
use crate::sweep::Sweep;

/// Closes every ended billing period, every hour: each user's period ends at a different time.
#[derive(Clone, Copy, Debug)]
pub struct CloseUsage;

#[async_trait]
impl Job for CloseUsage {
    fn name(&self) -> &'static str {
        "usage"
    }

    fn cron(&self) -> &'static str {
        "7 * * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let closed = close_usage(context.store(), None, &Sweep::default()).await?;
        Ok(json!({ "archived": closed.users }))
    }
}
