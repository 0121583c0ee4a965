//! Backups in S3-compatible object storage, each a prefix. The manifest comes last: without one there is no backup.

mod reader;
mod upload;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use serde::{Deserialize, Serialize};

use super::host_lock::HostLock;
use crate::backup::manifest::MANIFEST;
use crate::error::{Error, Result, in_words};

use reader::ObjectReader;
pub(in crate::backup) use upload::ObjectBackup;

/// The longest wait for one request without its retries. A piece of a file is one request.
const REQUEST: &str = "120s";
/// The longest time within which a failed request is tried again.
const RETRIES: std::time::Duration = std::time::Duration::from_secs(30);
/// How the object begins that names an unfinished backup.
const INCOMPLETE: &str = ".incomplete-";
/// The largest small file that is read: a manifest of many tenants takes some megabytes.
const SMALL: u64 = 256 << 20;

/// A prefix of a bucket.
#[derive(Clone, Debug)]
pub(in crate::backup) struct Objects {
    store: Arc<AmazonS3>,
    prefix: Path,
    target: String,
    /// The name of the lock of this place: endpoint and address.
    lock: String,
}

/// A note with the objects of a backup that is written or removed. A later run removes them if that run has died.
#[derive(Debug, Deserialize, Serialize)]
struct Unfinished {
    /// The host of the run: the text in its [`HostLock`].
    host: String,
    /// The object and the id of a running upload.
    upload: Option<(String, String)>,
    /// Whether the backup is being removed.
    removed: bool,
}

impl Objects {
    /// `place` is the bucket, optionally with a slash and the prefix of names. Credentials, region and endpoint come
    /// from the environment, as for AWS's tools, or from the machine's role.
    pub(super) fn new(place: &str) -> Result<Self> {
        let wrong = |reason| Error::invalid("the place of backups", reason);
        let place = place.trim_end_matches('/');
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(wrong("it names no bucket"));
        }
        let prefix = Path::parse(prefix).map_err(|_| wrong("the prefix after the bucket is not valid"))?;
        let retry = RetryConfig { max_retries: 3, retry_timeout: RETRIES, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        if std::env::var_os("AWS_TIMEOUT").is_none() {
            builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST);
        }
        // Services at different endpoints may have a bucket of the same name.
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
        let store = builder.build();
        let store =
            store.map_err(|_| wrong("it must be s3://bucket/prefix, with valid AWS_… values in the environment"))?;
        let target = format!("s3://{place}");
        Ok(Self { store: Arc::new(store), prefix, lock: format!("{endpoint} {target}"), target })
    }

    pub(super) fn address(&self, name: &str) -> String {
        if name.is_empty() { self.target.clone() } else { format!("{}/{name}", self.target) }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), Path::join)
    }

    fn failed(&self, doing: &'static str) -> impl Fn(object_store::Error) -> Error + use<> {
        let target = self.target.clone();
        move |error| Error::Store { doing, target: target.clone(), reason: reason(&error) }
    }

    /// The names of the prefixes that hold objects. One without a manifest is no backup.
    pub(super) async fn ids(&self) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await.map_err(self.failed("listing"))?;
        let names = listed.common_prefixes.iter().filter_map(|prefix| prefix.filename().map(str::to_owned));
        Ok(names.filter(|name| !name.starts_with('.')).collect())
    }

    pub(super) async fn sizes(&self, id: &str) -> Result<BTreeMap<String, u64>> {
        let of = self.path(id);
        let mut listed = self.store.list(Some(&of));
        let mut sizes = BTreeMap::new();
        while let Some(object) = listed.try_next().await.map_err(self.failed("listing"))? {
            let name: Vec<String> =
                object.location.prefix_match(&of).into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
            sizes.insert(name.join("/"), object.size);
        }
        Ok(sizes)
    }

    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let failed = self.failed("reading from");
        let found = match self.store.get(&self.path(name)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(&failed)?,
        };
        if found.meta.size > SMALL {
            return Err(Error::Store { doing: "reading from", target: self.address(name), reason: too_large() });
        }
        Ok(Some(found.bytes().await.map_err(failed)?.to_vec()))
    }

    pub(super) async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self.store.put(&self.path(name), PutPayload::from(bytes)).await;
        put.map(drop).map_err(self.failed("writing to"))
    }

    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.path(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            removed => removed.map_err(self.failed("removing from")),
        }
    }

    pub(super) fn reader(&self, name: &str) -> ObjectReader {
        ObjectReader::start(Arc::clone(&self.store), self.path(name))
    }

    /// A run that is killed in between leaves a note, by which the next run ends the removal.
    pub(super) async fn remove_backup(&self, id: &str) -> Result<()> {
        let lock = self.clean().await?;
        self.note(id, &Unfinished { host: lock.token.clone(), upload: None, removed: true }).await?;
        self.remove_all(id).await
    }

    /// Removes the manifest first, then the rest, then the note.
    async fn remove_all(&self, id: &str) -> Result<()> {
        self.remove(&format!("{id}/{MANIFEST}")).await?;
        for name in self.sizes(id).await?.into_keys() {
            self.remove(&format!("{id}/{name}")).await?;
        }
        self.remove(&format!("{INCOMPLETE}{id}")).await
    }

    async fn note(&self, id: &str, note: &Unfinished) -> Result<()> {
        let text = serde_json::to_vec(note).unwrap_or_default();
        self.write(&format!("{INCOMPLETE}{id}"), text).await
    }

    /// Takes the lock of this host, and removes what its killed runs left. Runs of other hosts are left to those.
    async fn clean(&self) -> Result<HostLock> {
        let (lock, alone) = HostLock::take(&self.lock)?;
        if alone {
            for id in self.unfinished().await? {
                self.clear(&id, &lock.token).await?;
            }
        }
        lock.share()?;
        Ok(lock)
    }

    /// The ids of unfinished backups.
    async fn unfinished(&self) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await.map_err(self.failed("listing"))?;
        let names = listed.objects.iter().filter_map(|object| object.location.filename()?.strip_prefix(INCOMPLETE));
        Ok(names.map(str::to_owned).collect())
    }

    async fn clear(&self, id: &str, host: &str) -> Result<()> {
        let name = format!("{INCOMPLETE}{id}");
        let Some(note) = self.read(&name).await? else { return Ok(()) };
        let Ok(note) = serde_json::from_slice::<Unfinished>(&note) else { return Ok(()) };
        if note.host != host {
            return Ok(());
        }
        if let Some((object, upload)) = note.upload {
            // It may have ended, or never begun.
            let _ = self.store.abort_multipart(&self.path(&object), &upload).await;
        }
        let is_whole = self.read(&format!("{id}/{MANIFEST}")).await?.is_some();
        if is_whole && !note.removed { self.remove(&name).await } else { self.remove_all(id).await }
    }
}

fn too_large() -> String {
    "the object is larger than such a file can be".to_owned()
}

/// The storage's own reason, without the credentials. Some calls return the status of the answer only in words.
fn reason(error: &object_store::Error) -> String {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    let words = in_words(error);
    let answered = |status: &str| words.contains(&format!("status code: {status} "));
    let advice = match error {
        NotFound { .. } => "there is no such bucket or object",
        PermissionDenied { .. } | Unauthenticated { .. } => "the credentials are refused",
        _ if answered("404") => "there is no such bucket or object",
        _ if answered("401") || answered("403") => "the credentials are refused",
        _ => return words,
    };
    format!("{advice} ({words})")
}
