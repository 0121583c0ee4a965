//! Reads an object in ranges, ahead of a thread that may block.

use std::io::{Error, Read, Result};
use std::sync::Arc;

use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use tokio::sync::mpsc;

/// One range is one request.
const RANGE: u64 = 8 << 20;

/// A reader of an object. At most three ranges are in memory.
pub(in crate::backup) struct ObjectReader {
    ranges: mpsc::Receiver<object_store::Result<Vec<u8>>>,
    range: Vec<u8>,
    at: usize,
}

impl ObjectReader {
    /// Starts to read ahead. The reading ends when the reader is dropped.
    pub(super) fn start(store: Arc<AmazonS3>, path: Path) -> Self {
        let (to, ranges) = mpsc::channel(1);
        tokio::spawn(async move {
            let outcome = read(&store, &path, &to).await;
            if let Err(error) = outcome {
                // The reader may be gone.
                let _ = to.send(Err(error)).await;
            }
        });
        Self { ranges, range: Vec::new(), at: 0 }
    }
}

async fn read(
    store: &AmazonS3,
    path: &Path,
    to: &mpsc::Sender<object_store::Result<Vec<u8>>>,
) -> object_store::Result<()> {
    let size = store.head(path).await?.size;
    let mut from = 0;
    while from < size {
        let until = size.min(from + RANGE);
        let bytes = store.get_range(path, from..until).await?;
        if to.send(Ok(bytes.to_vec())).await.is_err() {
            break;
        }
        from = until;
    }
    Ok(())
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.at == self.range.len() {
            match self.ranges.blocking_recv() {
                None => return Ok(0),
                Some(range) => {
                    self.range = range.map_err(|error| Error::other(super::reason(&error)))?;
                    self.at = 0;
                }
            }
        }
        let length = buffer.len().min(self.range.len() - self.at);
        buffer[..length].copy_from_slice(&self.range[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
