//! Opening a unit, again if that fails at once.

use std::time::{Duration, Instant};

use rylie_db::prelude::*;
use rylie_db::repositories::{Error, Retryable};

/// A failure that took longer is not retried: it has used up a limit, and others wait in the same queue.
const AT_ONCE: Duration = Duration::from_secs(1);

/// An error, and whether it came at once.
struct Failure(Error, bool);

impl Retryable for Failure {
    fn is_retryable(&self) -> bool {
        self.1 && self.0.is_retryable()
    }
}

/// Opens a unit. A lost connection or a conflict is retried; a full pool and a server that does not answer are not.
pub(crate) async fn opened<T, W>(policy: Retry, open: impl Fn() -> W) -> Result<T, Error>
where
    W: Future<Output = Result<T, Error>>,
{
    let began = Instant::now();
    let attempt = || async { open().await.map_err(|error| Failure(error, began.elapsed() < AT_ONCE)) };
    retry(policy, attempt).await.map_err(|Failure(error, _)| error)
}
