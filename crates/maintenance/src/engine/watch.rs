//! Watches a session while long work runs on it.

use std::time::Duration;

use rylie_driver::OnWait;
use sqlx::postgres::PgConnectOptions;

use crate::error::{Error, Result};

/// One session of the server, with the listener of its waits.
pub(crate) struct Watch {
    pub(super) options: PgConnectOptions,
    pub(super) process: i32,
    pub(super) every: Duration,
    pub(super) on_wait: Option<OnWait>,
}

impl Watch {
    /// Runs long work on the session, and reports what it waits for. Fails if the server no longer answers or no longer
    /// works on it; the session must not be used after that.
    pub(crate) async fn over<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut watch = rylie_driver::Watch::new(self.options.clone(), self.process, self.every);
        watch.report_to(self.on_wait.clone());
        watch.over(work).await.map_err(|lost| Error::engine("waiting for the server")(lost.into()))?
    }
}
