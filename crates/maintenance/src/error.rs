//! What can go wrong in a job.

use std::path::{Path, PathBuf};

/// The result of a job.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong in a job. Batches committed before it stay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data layer refused or failed.
    #[error("{doing}")]
    Data {
        /// What the job was doing.
        doing: &'static str,
        /// Why it could not.
        #[source]
        source: rylie_repositories::Error,
    },

    /// A file could not be read or written.
    #[error("{doing}")]
    File {
        /// What was being done, and to which file.
        doing: String,
        /// Why it could not.
        #[source]
        source: std::io::Error,
    },

    /// There is a file of that name, which is not written over.
    #[error("{path} exists, and is not written over; name another file")]
    FileExists {
        /// Which one.
        path: PathBuf,
    },

    /// The file of a tenant is not as it was written.
    #[error("the file of the tenant is not good at line {line}: {reason}; nothing was imported")]
    TenantFile {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong there.
        reason: &'static str,
    },

    /// A tenant's rows that the database refused.
    #[error("importing lines {from} to {to} of the file; nothing was imported")]
    Row {
        /// The number of the first line, from 1.
        from: u64,
        /// The number of the last one.
        to: u64,
        /// Why not.
        #[source]
        source: rylie_repositories::Error,
    },

    /// The file of a tenant comes from a database of another version.
    #[error("the file comes from a database at migration {file}, and this one is at {database}; migrate the older one")]
    OtherSchema {
        /// The newest migration of the database that it comes from.
        file: String,
        /// The newest migration of this one.
        database: String,
    },

    /// What cannot be the name of a tenant.
    #[error("not a tenant: name an agency's id, or user:<id> for a user of no agency")]
    NotATenant,

    /// A seed file in which a list stands for an object.
    #[error("the seed file is not valid: it must be an object, and so must each agency, user and the settings in it")]
    SeedShape,

    /// A seed file that cannot be read; line and column are in the cause.
    #[error("the seed file is not valid; see the README for its form")]
    SeedFile(#[source] serde_json::Error),
}

impl Error {
    /// What was being done to a file, when that fails.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::File { doing: doing.clone(), source }
    }

    pub(crate) fn doing(doing: &'static str) -> impl Fn(rylie_repositories::Error) -> Self {
        move |source| Self::Data { doing, source }
    }
}
