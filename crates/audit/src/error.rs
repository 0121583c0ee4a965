//! Errors of keys, checkpoints and proofs.

use std::path::{Path, PathBuf};

/// The result of operations on keys, checkpoints and proofs.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a key, a checkpoint or a proof. No message contains key material or a value of a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is not a valid checkpoint, key or proof.
    #[error("this is not a valid {what}: {reason}")]
    Malformed {
        /// The expected kind of text.
        what: &'static str,
        /// The deviation from the format.
        reason: &'static str,
    },

    /// The thread that hashes records ended, because the program ends.
    #[error("the program ended before all records were hashed; run it again")]
    HashingEnded,

    /// A file of checkpoints contains something else than complete checkpoints.
    #[error("the checkpoints in {} are damaged at line {line}: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first damaged line, from 1.
        line: u64,
        /// The kind of damage.
        reason: &'static str,
    },

    /// An operation on a file of keys or checkpoints failed.
    #[error("{doing} {}; check that it exists and that this user may access it", .path.display())]
    File {
        /// The failed operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },

    /// An operation on a checkpoint store other than a file failed, such as object storage.
    #[error("{doing} {target}; check that it is reachable and that the sealing process may list, read and add objects")]
    Store {
        /// The failed operation.
        doing: &'static str,
        /// The store.
        target: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Users other than its owner may read the signing key.
    #[error("others may read the signing key {}; run `chmod 600` on it", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },

    /// The external checkpoints belong to another database: the file or the database is wrong.
    #[error(
        "these checkpoints belong to another database; name the checkpoints of this database, or the database of these checkpoints"
    )]
    OtherDatabase,

    /// An external checkpoint belongs to a batch that the database does not have.
    #[error(
        "the database ends before batch {batch}, which has an external checkpoint: it is an older copy, and sealing it would fork the log; seal the current database instead"
    )]
    RolledBack {
        /// The number of the batch.
        batch: u64,
    },

    /// An external checkpoint has the same number but differs: the database was rewritten.
    #[error(
        "there is another checkpoint of batch {batch} outside the database: run `rylie audit verify --checkpoint` with the external checkpoints"
    )]
    Diverged {
        /// The number of the batch.
        batch: u64,
    },

    /// Two different checkpoints of one batch exist, or one that does not continue the log that was seen before.
    #[error(
        "batch {batch} does not continue the log that was seen before: the log was forked, rebuilt or replaced; keep both versions, and run `rylie audit verify`"
    )]
    Forked {
        /// The number of the batch.
        batch: u64,
    },

    /// Checkpoints end before the last one that was seen.
    #[error(
        "the checkpoints end at batch {last}, but batch {seen} was seen before: they were rolled back; name the place that has the newer ones"
    )]
    Shorter {
        /// The last batch that is there.
        last: u64,
        /// The last batch that was seen.
        seen: u64,
    },

    /// A checkpoint between two others is missing.
    #[error("the checkpoint of batch {batch} is missing; name a place that has every checkpoint from there on")]
    Gap {
        /// The number of the batch.
        batch: u64,
    },

    /// A checkpoint is signed by a key that is not trusted.
    #[error(
        "the checkpoint of batch {batch} is signed by a key that is not trusted; check it, and name it with `--public-key`"
    )]
    Untrusted {
        /// The number of the batch.
        batch: u64,
    },

    /// The state of a witness is missing, and the witness is not a new one.
    #[error(
        "the state {} of this witness is missing; restore it. A new witness needs `--begin`, a new key and a new file of statements",
        .path.display()
    )]
    StateLost {
        /// The file of the state.
        path: PathBuf,
    },

    /// The system provided no randomness, or signing failed.
    #[error("the cryptographic library failed; try again")]
    Cryptography,
}

impl Error {
    /// Adds the file and the line to an error of parsing a checkpoint.
    pub(crate) fn damaged(path: &Path, line: u64, error: Self) -> Self {
        match error {
            Self::Malformed { reason, .. } => Self::Damaged { path: path.to_owned(), line, reason },
            other => other,
        }
    }
}
