//! `vacuum`: reclaims the space of dead rows.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::Result;
use crate::job::{Job, JobContext};

/// Vacuums tables that need it, every night.
#[derive(Clone, Debug)]
pub struct Vacuum(
    /// The database.
    pub Engine,
);

#[async_trait]
impl Job for Vacuum {
    fn name(&self) -> &'static str {
        "vacuum"
    }

    fn cron(&self) -> &'static str {
        "11 3 * * *"
    }

    async fn run(&self, _context: &JobContext) -> Result<Value> {
        Ok(json!(crate::vacuum(&self.0, false).await?))
    }
}
