//! `analyze`: updates the planner's statistics.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::Result;
use crate::job::{Job, JobContext};

/// Analyzes changed tables, every hour.
#[derive(Clone, Debug)]
pub struct Analyze(
    /// The database.
    pub Engine,
);

#[async_trait]
impl Job for Analyze {
    fn name(&self) -> &'static str {
        "analyze"
    }

    fn cron(&self) -> &'static str {
        "51 * * * *"
    }

    async fn run(&self, _context: &JobContext) -> Result<Value> {
        Ok(json!(crate::analyze(&self.0, false).await?))
    }
}
