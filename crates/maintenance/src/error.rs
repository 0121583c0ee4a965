//! What can go wrong in a job.

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

    /// Another process is sealing the audit log.
    #[error("another process is sealing the audit log; try again when it is done")]
    Sealing,

    /// Too short a time for records of the audit log to be kept.
    #[error("records of the audit log are kept for a day at least; name a number of days from 1 on")]
    Retention,

    /// A seed file in which a list stands for an object.
    #[error("the seed file is not valid: it must be an object, and so must each agency, user and the settings in it")]
    SeedShape,

    /// A seed file that cannot be read; line and column are in the cause.
    #[error("the seed file is not valid; see the README for its form")]
    SeedFile(#[source] serde_json::Error),
}

impl Error {
    pub(crate) fn doing(doing: &'static str) -> impl Fn(rylie_repositories::Error) -> Self {
        move |source| Self::Data { doing, source }
    }
}
