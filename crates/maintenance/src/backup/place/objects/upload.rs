//! A backup that is being written to object storage.

use std::io::{Error as IoError, Result as IoResult, Write};

use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::sync::mpsc;

use super::super::host_lock::HostLock;
use super::{INCOMPLETE, Objects, Unfinished};
use crate::backup::manifest::BackupFile;
use crate::backup::stream::{Stream, copy};
use crate::error::{Error, Result};

/// The smallest part; storage takes none below five megabytes, and ten thousand of one upload. All parts of an upload but
/// the last have one size, as some stores insist on it.
const SMALLEST_PART: u64 = 8 << 20;
/// The largest part. Three are in memory at most.
const LARGEST_PART: u64 = 48 << 20;
/// How many parts the expected size is divided into: the real size may be twice that.
const PARTS: u64 = 5_000;

const DOING: &str = "writing to";

/// A backup that is being written to object storage.
pub(in crate::backup) struct ObjectBackup {
    objects: Objects,
    id: String,
    lock: HostLock,
}

impl ObjectBackup {
    /// Notes that the backup is being written, and removes what killed runs of this host left.
    pub(in crate::backup::place) async fn begin(objects: &Objects, id: &str) -> Result<Self> {
        let lock = objects.clean().await?;
        let backup = Self { objects: objects.clone(), id: id.to_owned(), lock };
        backup.note(None).await?;
        Ok(backup)
    }

    async fn note(&self, upload: Option<(String, String)>) -> Result<()> {
        let note = Unfinished { host: self.lock.token.clone(), upload, removed: false };
        self.objects.note(&self.id, &note).await
    }

    /// Uploads a stream in parts while it is read. Constant memory.
    pub(in crate::backup) async fn stream(&self, name: &str, stream: Stream) -> Result<BackupFile> {
        let name = format!("{}/{name}", self.id);
        let path = self.objects.path(&name);
        let size = (stream.expected / PARTS).clamp(SMALLEST_PART, LARGEST_PART);
        let (to, parts) = mpsc::channel(1);
        let writer = PartWriter { part: Vec::new(), size: usize::try_from(size).unwrap_or(usize::MAX), to };
        let copying = tokio::task::spawn_blocking(move || {
            let (writer, measured) = copy(stream, writer)?;
            writer.finish()?;
            Ok(measured)
        });
        let uploaded = self.upload(&name, &path, parts).await;
        // The thread ends when there is no receiver.
        let copied = copying.await.unwrap_or_else(|error| Err(IoError::other(error)));
        let failed = self.objects.failed(DOING);
        let upload = match (uploaded, copied) {
            (Ok(upload), Ok(measured)) => match self.complete(&path, &upload).await {
                Ok(()) => return Ok(measured),
                Err(error) => (upload, failed(error)),
            },
            (Ok(upload), Err(error)) => {
                (upload, Error::File { doing: "reading what is backed up".to_owned(), source: error })
            }
            (Err((upload, error)), _) => (upload, error),
        };
        let (upload, error) = upload;
        if let Upload::Parts { id, .. } = upload {
            // The next run tries it again.
            let _ = self.objects.store.abort_multipart(&path, &id).await;
        }
        Err(error)
    }

    /// Receives the parts and sends them. The first one waits for the second: a small file is no upload in parts.
    async fn upload(
        &self,
        name: &str,
        path: &Path,
        mut from: mpsc::Receiver<Vec<u8>>,
    ) -> std::result::Result<Upload, (Upload, Error)> {
        let failed = self.objects.failed(DOING);
        let first = from.recv().await.unwrap_or_default();
        let Some(second) = from.recv().await else { return Ok(Upload::Whole(first)) };
        let nothing = || Upload::Whole(Vec::new());
        let id = self.objects.store.create_multipart(path).await.map_err(|error| (nothing(), failed(error)))?;
        let mut upload = Upload::Parts { id: id.clone(), parts: Vec::new() };
        if let Err(error) = self.note(Some((name.to_owned(), id.clone()))).await {
            return Err((upload, error));
        }
        let mut waiting = [first, second].into_iter();
        loop {
            let next = match waiting.next() {
                Some(part) => Some(part),
                None => from.recv().await,
            };
            let (Some(part), Upload::Parts { parts, .. }) = (next, &mut upload) else { return Ok(upload) };
            match self.objects.store.put_part(path, &id, parts.len(), PutPayload::from(part)).await {
                Ok(part) => parts.push(part),
                Err(error) => return Err((upload, failed(error))),
            }
        }
    }

    async fn complete(&self, path: &Path, upload: &Upload) -> object_store::Result<()> {
        match upload {
            Upload::Whole(bytes) => {
                self.objects.store.put(path, PutPayload::from(bytes.clone())).await?;
            }
            Upload::Parts { id, parts } => {
                self.objects.store.complete_multipart(path, id, parts.clone()).await?;
            }
        }
        Ok(())
    }

    /// Writes the last files in their order, the manifest last, and removes the note.
    pub(in crate::backup) async fn publish(self, files: Vec<(&str, String)>) -> Result<()> {
        for (name, text) in files {
            self.objects.write(&format!("{}/{name}", self.id), text.into_bytes()).await?;
        }
        // The backup is complete. The next run removes a note that stays.
        let _ = self.objects.remove(&format!("{INCOMPLETE}{}", self.id)).await;
        Ok(())
    }

    /// Removes the objects. Those that cannot be removed are left to the next run.
    pub(in crate::backup) async fn abandon(self) {
        let _ = self.objects.remove_all(&self.id).await;
    }
}

enum Upload {
    /// All of a small file.
    Whole(Vec<u8>),
    Parts {
        id: String,
        parts: Vec<PartId>,
    },
}

/// Cuts what is written into parts.
struct PartWriter {
    part: Vec<u8>,
    size: usize,
    to: mpsc::Sender<Vec<u8>>,
}

impl PartWriter {
    fn send(&mut self) -> IoResult<()> {
        let part = std::mem::take(&mut self.part);
        self.to.blocking_send(part).map_err(|_| IoError::from(std::io::ErrorKind::BrokenPipe))
    }

    /// Sends the rest.
    fn finish(mut self) -> IoResult<()> {
        self.send()
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        if self.part.len() == self.size {
            self.send()?;
        }
        if self.part.capacity() == 0 {
            self.part.reserve_exact(self.size);
        }
        let length = bytes.len().min(self.size - self.part.len());
        self.part.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}
