//! `reindex`: rebuilds bloated indexes.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::Result;
use crate::job::{Job, JobContext};

/// Rebuilds bloated indexes, every Sunday night.
#[derive(Clone, Debug)]
pub struct Reindex(
    /// The database.
    pub Engine,
);

#[async_trait]
impl Job for Reindex {
    fn name(&self) -> &'static str {
        "reindex"
    }

    fn cron(&self) -> &'static str {
        "31 3 * * 0"
    }

    async fn run(&self, _context: &JobContext) -> Result<Value> {
        Ok(json!(crate::reindex(&self.0, false).await?))
    }
}
