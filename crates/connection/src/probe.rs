//! Finds out why no connection can be made: the driver's pool retries until the timeout and hides the reason.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection, Database};
use tokio::sync::Mutex;

use crate::bounds::answered;

/// A live server answers within this time, so the wait delays an error only briefly.
const WITHIN: Duration = Duration::from_millis(500);

/// How long a result is reused, so that many callers cause one probe.
const KEPT: Duration = Duration::from_millis(500);

/// Probes a server over a new connection, one caller at a time.
#[derive(Default)]
pub(crate) struct Probe(Mutex<Option<(Instant, Option<Arc<sqlx::Error>>)>>);

impl Probe {
    /// Returns the connection error; `None` if a connection can be made.
    pub(crate) async fn refusal<DB: Database>(
        &self,
        options: &<DB::Connection as Connection>::Options,
    ) -> Option<Arc<sqlx::Error>> {
        let mut known = self.0.lock().await;
        if let Some((asked, refusal)) = &*known
            && asked.elapsed() < KEPT
        {
            return refusal.clone();
        }
        let connected = answered(Some(WITHIN), options.connect()).await.and_then(|connected| connected);
        let refusal = match connected {
            Ok(connection) => {
                // It answered; errors on closing do not matter.
                let _ = answered(Some(WITHIN), connection.close()).await;
                None
            }
            Err(error) => Some(Arc::new(error)),
        };
        *known = Some((Instant::now(), refusal.clone()));
        refusal
    }
}
