//! Checkpoints in S3-compatible object storage: one object each, never overwritten.

use std::future::Future;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig};
use rylie_audit::{CheckpointSink, Error as AuditError, SignedCheckpoint};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// Maximum time for one request, retries included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The suffix of every checkpoint's name.
const ENDING: &str = ".checkpoint";

/// A bucket, or a prefix in one. Each checkpoint is a separate object and is never overwritten. A bucket with versions
/// or object locks protects them from its administrators as well.
#[derive(Debug)]
pub(crate) struct ObjectSink {
    store: Arc<AmazonS3>,
    prefix: Path,
    target: String,
    /// A separate runtime for the client, because a sink is called from within another runtime.
    runtime: Option<Runtime>,
}

impl ObjectSink {
    /// `place` is the bucket, optionally with a slash and the prefix of names. Credentials, region and endpoint come
    /// from the environment, as for AWS's tools (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT`, …), or from the
    /// machine's role.
    pub(crate) fn new(place: &str) -> Result<Self> {
        let wrong = |reason| Error::invalid("the destination of checkpoints", reason);
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(wrong("it names no bucket"));
        }
        let prefix = Path::parse(prefix).map_err(|_| wrong("the prefix after the bucket is not valid"))?;
        let retry = RetryConfig { max_retries: 3, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build();
        let store =
            store.map_err(|_| wrong("it must be s3://bucket/prefix, with valid AWS_… values in the environment"))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|_| wrong("the thread of its client could not be started"))?;
        Ok(Self { store: Arc::new(store), prefix, target: format!("s3://{place}"), runtime: Some(runtime) })
    }

    /// Returns the name of a batch's object. Listings are sorted by name and the newest must come first, so a name
    /// begins with the distance of its batch from the highest number.
    fn name(prefix: &Path, batch: u64) -> Path {
        let last = u64::MAX - batch;
        prefix.clone().join(format!("{last:020}-{batch}{ENDING}"))
    }

    /// Waits for a request of the client, which runs on a separate thread.
    fn wait<T: Send + 'static>(
        &self,
        doing: &'static str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> rylie_audit::Result<T> {
        let failed = |source| AuditError::Store { doing, target: self.target.clone(), source };
        let (done, outcome) = mpsc::channel();
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move { done.send(request.await) });
        }
        let outcome = outcome.recv().map_err(|error| failed(error.into()))?;
        outcome.map_err(|error| failed(error.into()))
    }

    /// Passes the checkpoints from a batch on to `each`, in order, up to the newest.
    pub(crate) fn read_from(
        &self,
        from: u64,
        each: &mut dyn FnMut(SignedCheckpoint) -> rylie_audit::Result<()>,
    ) -> rylie_audit::Result<()> {
        let newest = self.last()?.map_or(0, |newest| newest.checkpoint().batch);
        (from.max(1)..=newest).try_for_each(|batch| each(self.read(Self::name(&self.prefix, batch))?))
    }

    fn read(&self, name: Path) -> rylie_audit::Result<SignedCheckpoint> {
        let store = Arc::clone(&self.store);
        let bytes = self.wait("reading a checkpoint of", async move { store.get(&name).await?.bytes().await })?;
        let text = std::str::from_utf8(&bytes);
        let unreadable = |_| AuditError::Malformed { what: "checkpoint", reason: "it is not text" };
        SignedCheckpoint::parse(text.map_err(unreadable)?)
    }
}

impl CheckpointSink for ObjectSink {
    fn remembers(&self) -> bool {
        true
    }

    fn last(&self) -> rylie_audit::Result<Option<SignedCheckpoint>> {
        let (store, prefix) = (Arc::clone(&self.store), self.prefix.clone());
        let newest = self.wait("listing the checkpoints of", async move {
            let mut listed = store.list(Some(&prefix));
            while let Some(object) = listed.next().await.transpose()? {
                // Objects in nested folders are not ours.
                let batch = object
                    .location
                    .filename()
                    .and_then(|name| name.strip_suffix(ENDING)?.split_once('-')?.1.parse().ok());
                if batch.is_some_and(|batch| Self::name(&prefix, batch) == object.location) {
                    return Ok(Some(object.location));
                }
            }
            Ok(None)
        })?;
        newest.map(|name| self.read(name)).transpose()
    }

    /// Stores a checkpoint. An existing object must be equal: another process, or this one before a crash, has created
    /// it.
    fn keep(&self, checkpoint: &SignedCheckpoint) -> rylie_audit::Result<()> {
        let batch = checkpoint.checkpoint().batch;
        let (store, name, text) = (Arc::clone(&self.store), Self::name(&self.prefix, batch), checkpoint.to_text());
        let to = name.clone();
        let made = self.wait("adding a checkpoint to", async move {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match store.put_opts(&to, PutPayload::from(text.into_bytes()), options).await {
                Ok(_) => Ok(true),
                Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })?;
        if made || self.read(name)? == *checkpoint { Ok(()) } else { Err(AuditError::Diverged { batch }) }
    }
}

impl Drop for ObjectSink {
    fn drop(&mut self) {
        // Nothing is running any more, and a thread of another runtime must not block here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
