//! What can go wrong with keys, checkpoints and proofs.

use std::path::PathBuf;

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

    /// Others than its owner may read the signing key.
    #[error("others may read the signing key {}; run `chmod 600` on it", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },

    /// The file of checkpoints holds another one under the same number: the database was rewritten, or it is another one's file.
    #[error(
        "the file holds another checkpoint of batch {batch} than the database: run `rylie audit verify --checkpoint` on it"
    )]
    Diverged {
        /// The number of the batch.
        batch: u64,
    },

    /// The system gave no randomness, or the key would not sign.
    #[error("the cryptographic library failed; try again")]
    Cryptography,
}
