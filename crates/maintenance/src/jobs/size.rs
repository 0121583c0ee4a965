//! `size`: stores sizes and checks a threshold.

use std::sync::Arc;

use async_trait::async_trait;
use rylie_entities::Env;
use serde_json::{Value, json};

use crate::alert::{Notifier, check_size, deliver_alerts};
use crate::engine::{Engine, keep_sizes, sizes};
use crate::error::Result;
use crate::job::{Job, JobContext};

/// Stores the sizes of the database and its tables, every ten minutes. Sends alerts if configured, and retries failed
/// deliveries.
#[derive(Clone)]
pub struct CaptureSize {
    /// The database.
    pub engine: Engine,
    /// The clock for the time of the sizes.
    pub env: Arc<dyn Env>,
    /// The size in bytes above which an alert is sent; `None` sends none.
    pub alert_above: Option<i64>,
    /// The targets of alerts.
    pub notifiers: Vec<Notifier>,
}

#[async_trait]
impl Job for CaptureSize {
    fn name(&self) -> &'static str {
        "size"
    }

    fn cron(&self) -> &'static str {
        "*/10 * * * *"
    }

    async fn run(&self, context: &JobContext) -> Result<Value> {
        let sizes = sizes(&self.engine, false).await?;
        keep_sizes(context.store(), self.env.now(), &sizes).await?;
        let mut event = None;
        if let Some(threshold) = self.alert_above {
            event = check_size(context.store(), sizes.database_bytes, threshold, &self.notifiers).await?;
        }
        let undelivered = deliver_alerts(context.store(), &*self.env, &self.notifiers).await?;
        Ok(json!({ "database_bytes": sizes.database_bytes, "alert": event, "undelivered": undelivered.len() }))
    }
}
