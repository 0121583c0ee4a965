//! `sessions`: removes expired sessions and tokens.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::{Job, JobContext};
use crate::remove_expired;
use crate::sweep::Sweep;

/// Deletes expired sessions and verification tokens, every hour.
#[derive(Clone, Copy, Debug)]
pub struct RemoveExpired;

#[async_trait]
impl Job for RemoveExpired {
    fn name(&self) -> &'static str {
        "sessions"
    }

    fn cron(&self) -> &'static str {
        "17 * * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let removed = remove_expired(context.store(), &Sweep::default()).await?;
        Ok(json!({ "deleted": removed.sessions, "verification_tokens": removed.verification_tokens }))
    }
}
