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

    /// Outside there is another checkpoint under the same number: the database was rewritten, or they are another one's.
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
