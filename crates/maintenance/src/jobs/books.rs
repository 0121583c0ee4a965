//! `books`: removes old rows of operational tables.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use rylie_entities::Env;
use serde_json::{Value, json};

use rylie_repositories::StoreExt;

use crate::error::{Error, Result};
use crate::job::{Job, JobContext};

/// Number of rows deleted in one transaction.
const BATCH: u64 = 5_000;

/// Removes job runs after 90 days, and delivered alerts after a year, every night.
#[derive(Clone)]
pub struct TidyBooks {
    /// The clock for their age.
    pub env: Arc<dyn Env>,
}

#[async_trait]
impl Job for TidyBooks {
    fn name(&self) -> &'static str {
        "books"
    }

    fn cron(&self) -> &'static str {
        "53 2 * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let failed = Error::doing("removing old rows of operational tables");
        let now = self.env.now();
        let mut runs = 0;
        loop {
            let unit = context.store().books().await.map_err(&failed)?;
            let done = unit.job_runs().forget(now - TimeDelta::days(90), BATCH).await.map_err(&failed)?;
            unit.commit().await.map_err(&failed)?;
            runs += done;
            if done < BATCH {
                break;
            }
        }
        let unit = context.store().books().await.map_err(&failed)?;
        let alerts = unit.alerts().forget_alerts(now - TimeDelta::days(365)).await.map_err(&failed)?;
        unit.commit().await.map_err(&failed)?;
        Ok(json!({ "runs": runs, "alerts": alerts }))
    }
}
