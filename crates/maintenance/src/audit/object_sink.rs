//! Checkpoints in object storage that speaks S3: an object each, made once and never written over.

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

/// The longest time that one request is tried for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every checkpoint's name ends with.
const ENDING: &str = ".checkpoint";

/// A bucket, or a part of one. Each checkpoint is an object of its own: what is there is never written over, and a bucket
/// that keeps versions or locks objects keeps them from its administrators as well.
#[derive(Debug)]
pub(crate) struct ObjectSink {
    store: Arc<AmazonS3>,
    prefix: Path,
    target: String,
    /// The client's own: a sink is called from within another.
    runtime: Option<Runtime>,
}

impl ObjectSink {
    /// `place` is the bucket, and after a slash how names begin. Credentials, region and endpoint come from the environment, as AWS's own
    /// tools take them (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT`, …), or from the machine's role.
    pub(crate) fn new(place: &str) -> Result<Self> {
        let wrong = |reason| Error::invalid("the place of checkpoints", reason);
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(wrong("it names no bucket"));
        }
        let prefix = Path::parse(prefix).map_err(|_| wrong("what follows the bucket cannot begin a name"))?;
        let retry = RetryConfig { max_retries: 3, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build();
        let store =
            store.map_err(|_| wrong("it must be s3://bucket/prefix, with what AWS_… says in the environment"))?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|_| wrong("no thread could be started for it"))?;
        Ok(Self { store: Arc::new(store), prefix, target: format!("s3://{place}"), runtime: Some(runtime) })
    }

    /// Lists come in the order of names, and the newest is to come first: so a name begins with how far its batch is from the last
    /// number there is.
    fn name(prefix: &Path, batch: u64) -> Path {
        let last = u64::MAX - batch;
        prefix.clone().join(format!("{last:020}-{batch}{ENDING}"))
    }

    /// Waits for what the client does, on a thread of its own.
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

    fn read(&self, name: Path) -> rylie_audit::Result<SignedCheckpoint> {
        let store = Arc::clone(&self.store);
        let bytes = self.wait("reading a checkpoint of", async move { store.get(&name).await?.bytes().await })?;
        let text = std::str::from_utf8(&bytes);
        let unreadable = |_| AuditError::Malformed { what: "checkpoint", reason: "it is no text" };
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
                // Folders below are another's.
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

    /// An object that is there already must be this one: another process, or this one before it was killed, has made it.
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
        // Nothing is under way any more, and a thread of another runtime must not wait here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
