//! Why no connection can be made. The driver's pool tries until the caller's time is up, and keeps the reason to itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection, Database};
use tokio::sync::Mutex;

use crate::bounds::answered;

/// A server that is there answers within this time, on the way to an error that is due.
const WITHIN: Duration = Duration::from_millis(500);

/// What was found out is good for so long, so that many callers ask once.
const KEPT: Duration = Duration::from_millis(500);

/// Asks a server by a connection of its own, one caller at a time.
#[derive(Default)]
pub(crate) struct Probe(Mutex<Option<(Instant, Option<Arc<sqlx::Error>>)>>);

impl Probe {
    /// The error of a connection that cannot be made; `None` if it can.
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
                // It answered: how it takes the goodbye does not matter.
                let _ = answered(Some(WITHIN), connection.close()).await;
                None
            }
            Err(error) => Some(Arc::new(error)),
        };
        *known = Some((Instant::now(), refusal.clone()));
        refusal
    }
}
