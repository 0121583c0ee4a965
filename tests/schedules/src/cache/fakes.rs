//! The crate of the cache, as far as it is used.

use std::sync::Arc;
use std::time::Duration;

use crate::sqlx::{Database, Error, Result};

#[derive(Clone, Copy)]
pub(crate) struct Bounds;

impl Bounds {
    pub(crate) fn statement(self, _: Option<Duration>) -> Option<Duration> {
        Some(Duration::from_secs(35))
    }

    pub(crate) fn prompt(self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }
}

pub(crate) async fn answered<T>(within: Option<Duration>, asking: impl Future<Output = T>) -> Result<T> {
    match within {
        Some(within) => crate::tokio::time::timeout(within, asking).await.map_err(|()| Error::Silent),
        None => Ok(asking.await),
    }
}

pub(crate) fn is_silence(error: &Error) -> bool {
    matches!(error, Error::Silent)
}

/// The model's sessions prepare nothing.
#[derive(Default)]
pub(crate) struct Prepared;

#[derive(Default)]
pub(crate) struct Probe;

impl Probe {
    pub(crate) async fn refusal<DB: Database>(&self, (): &()) -> Option<Arc<Error>> {
        None
    }
}
