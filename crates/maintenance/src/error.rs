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

    /// A setting of a job's schedule is wrong.
    #[error("the setting {setting}: {reason}")]
    Schedule {
        /// Its name: `schedule.<job>.<setting>`.
        setting: String,
        /// What it must be.
        reason: String,
    },

    /// There is no job of this name.
    #[error("there is no such job; there are {known}")]
    UnknownJob {
        /// The names there are.
        known: String,
    },

    /// A run of the job is under way, and a job does not overlap itself.
    #[error("{job} is running already; wait for it, or see `rylie maintain status`")]
    JobRunning {
        /// Its name.
        job: String,
    },

    /// Another process has taken the run over, as this one did not answer for too long. Nothing was committed.
    #[error("another process has taken this run over; nothing was committed here")]
    LeaseLost,

    /// A size, a target or another input that cannot be used.
    #[error("{what} is not acceptable: {reason}")]
    Invalid {
        /// Which input.
        what: String,
        /// What it must be.
        reason: String,
    },

    /// A statement of the engine's care failed.
    #[error("{doing}")]
    Engine {
        /// What was being done.
        doing: String,
        /// Why it could not be.
        #[source]
        source: EngineFault,
    },

    /// A message could not be delivered.
    #[error("telling {target}")]
    Delivery {
        /// The target as it is shown: without passwords and paths.
        target: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A seed file in which a list stands for an object.
    #[error("the seed file is not valid: it must be an object, and so must each agency, user and the settings in it")]
    SeedShape,

    /// A seed file that cannot be read; line and column are in the cause.
    #[error("the seed file is not valid; see the README for its form")]
    SeedFile(#[source] serde_json::Error),
}

/// An error of the driver, shown without the values of rows.
pub struct EngineFault(pub(crate) sqlx::Error);

impl std::fmt::Display for EngineFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            sqlx::Error::Database(error) => {
                write!(f, "{} ({})", error.message(), error.code().unwrap_or_default())
            }
            error => write!(f, "{error}"),
        }
    }
}

impl std::fmt::Debug for EngineFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineFault({self})")
    }
}

impl std::error::Error for EngineFault {}

impl Error {
    pub(crate) fn engine(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Engine { doing, source: EngineFault(error) }
    }

    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }

    pub(crate) fn doing(doing: &'static str) -> impl Fn(rylie_repositories::Error) -> Self {
        move |source| Self::Data { doing, source }
    }
}
