//! What can go wrong with keys, checkpoints and proofs.

use std::path::{Path, PathBuf};

/// The result of reading or writing seals.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. No message holds key material or a value of a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is to be a checkpoint, a key or a proof is none.
    #[error("this is no {what}: {reason}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// Where it departs from the format.
        reason: &'static str,
    },

    /// A file of checkpoints with something else in it than whole checkpoints.
    #[error("the checkpoints in {} are damaged at line {line}: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the line where what is damaged begins, from 1.
        line: u64,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// A file of keys or checkpoints.
    #[error("{doing} {}; check that it is there and may be used", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it could not.
        #[source]
        source: std::io::Error,
    },

    /// A place of checkpoints that is no file, such as object storage.
    #[error("{doing} {target}; check that it answers, and that whoever seals may list, read and add there")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// The place.
        target: String,
        /// Why it could not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Others than its owner may read the signing key.
    #[error("others may read the signing key {}; run `chmod 600` on it", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },

    /// The checkpoints outside are those of another database: a wrong file, or a wrong database.
    #[error("these checkpoints belong to another database; name those of this one, or the database that they are of")]
    OtherDatabase,

    /// Outside there is a checkpoint of a batch that the database does not have.
    #[error(
        "the database ends before batch {batch}, whose checkpoint is outside: it is an older copy, and sealing it would fork the log"
    )]
    RolledBack {
        /// The number of the batch.
        batch: u64,
    },

    /// Outside there is another checkpoint under the same number: the database was rewritten.
    #[error(
        "outside there is another checkpoint of batch {batch} than in the database: run `rylie audit verify --checkpoint` on it"
    )]
    Diverged {
        /// The number of the batch.
        batch: u64,
    },

    /// The system gave no randomness, or the key would not sign.
    #[error("the cryptographic library failed; try again")]
    Cryptography,
}

impl Error {
    /// A checkpoint of a file that cannot be read, with the line where it begins.
    pub(crate) fn damaged(path: &Path, line: u64, error: Self) -> Self {
        match error {
            Self::Malformed { reason, .. } => Self::Damaged { path: path.to_owned(), line, reason },
            other => other,
        }
    }
}
