//! A witness: remembers what it has seen of a log, refuses everything that does not continue it, and signs the rest.

mod files;

use rylie_crypto::Object;
use serde::{Deserialize, Serialize};

use crate::consistency::follow;
use crate::merkle::leaf_hash;
use crate::{Cosignature, Digest, Error, PublicKey, Result, SignedCheckpoint, Tree, TreeHead};

pub use files::Witness;

const FORMAT: &str = "rylie audit witness 1";

/// What a witness has seen of one log: the last checkpoint, and the tree over all of them. About two kilobytes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessState {
    format: String,
    /// The last batch; 0 before the first.
    batch: u64,
    /// The hash of its checkpoint.
    checkpoint: Digest,
    /// The database that it names.
    database: String,
    /// The peaks of the tree, the largest first.
    tree: Vec<Digest>,
    /// The time of the last statement, in seconds since 1970.
    time: u64,
    /// The counts `total` and `removed` of the last checkpoint. Not in the file: the checkpoint is seen again.
    #[serde(skip)]
    counts: Option<(u64, u64)>,
}

impl Default for WitnessState {
    fn default() -> Self {
        let (checkpoint, database, tree) = (Digest::NONE, String::new(), Vec::new());
        Self { format: FORMAT.to_owned(), batch: 0, checkpoint, database, tree, time: 0, counts: Some((0, 0)) }
    }
}

impl WitnessState {
    /// Parses the text of [`to_text`](Self::to_text). [`Error::Malformed`] for any other.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = Error::Malformed { what: "state of a witness", reason: "it is not what a witness writes" };
        let Ok(Object::<Self>(state)) = serde_json::from_str(text) else { return Err(malformed) };
        let fits = state.format == FORMAT && state.batch.count_ones() as usize == state.tree.len();
        if fits { Ok(state) } else { Err(malformed) }
    }

    /// Returns the text for a file: one JSON object and a line feed.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Returns the last batch that was seen; 0 before the first.
    #[must_use]
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// Takes the next checkpoint, or the last one again. Nothing changes on an error:
    ///
    /// - [`Error::Untrusted`] if `trusted` is not empty and does not contain its key;
    /// - [`Error::Gap`] if checkpoints before it are missing. A state from a file needs its last one again;
    /// - [`Error::Malformed`] if its counts are not those of its predecessor, continued;
    /// - [`Error::OtherDatabase`] if it does not continue the log and names another database;
    /// - [`Error::Forked`] if it does not continue the log.
    ///
    /// Earlier checkpoints are ignored: the hash of the last one covers them.
    pub fn see(&mut self, checkpoint: &SignedCheckpoint, trusted: &[PublicKey]) -> Result<()> {
        let sealed = checkpoint.checkpoint();
        let batch = sealed.batch;
        if batch == 0 {
            return Err(Error::Malformed { what: "checkpoint", reason: "the first batch has the number 1" });
        }
        if batch < self.batch {
            return Ok(());
        }
        let is_next = batch > self.batch;
        if batch > self.batch.saturating_add(1) {
            return Err(Error::Gap { batch: self.batch + 1 });
        }
        let continues = if is_next { sealed.previous == self.checkpoint } else { checkpoint.hash() == self.checkpoint };
        if !continues && self.batch > 0 && sealed.database != self.database {
            return Err(Error::OtherDatabase);
        }
        if !continues {
            return Err(Error::Forked { batch });
        }
        if !trusted.is_empty() && !trusted.contains(&checkpoint.key()) {
            return Err(Error::Untrusted { batch });
        }
        if is_next {
            let (total, removed) = self.counts.ok_or(Error::Gap { batch: self.batch })?;
            follow(sealed, total, removed)?;
            let mut tree = self.tree();
            tree.push(leaf_hash(checkpoint.body().as_bytes()));
            self.tree = tree.peaks().to_vec();
            (self.batch, self.checkpoint) = (batch, checkpoint.hash());
            self.database.clone_from(&sealed.database);
        }
        self.counts = Some((sealed.total, sealed.removed));
        Ok(())
    }

    /// Returns the statement about what was seen. Its time is `now`, but never before that of the last statement.
    pub fn state(&mut self, now: u64) -> Cosignature {
        self.time = self.time.max(now);
        Cosignature { head: self.head(), time: self.time }
    }

    pub(crate) fn head(&self) -> TreeHead {
        TreeHead { database: self.database.clone(), size: self.batch, root: self.tree().root() }
    }

    fn tree(&self) -> Tree {
        // The parse has checked the number of peaks.
        Tree::from_peaks(self.batch, self.tree.clone()).unwrap_or_default()
    }
}
