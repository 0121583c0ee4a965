//! Errors of the test setup.

use std::io;
use std::path::PathBuf;

/// The result of a setup step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the test setup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder with `initdb` and `postgres` was found.
    #[error(
        "PostgreSQL's server programs (initdb, postgres) are not installed: install them (Debian, Ubuntu: \
         `apt-get install postgresql`; macOS: `brew install postgresql`), or name a server in RYLIE_TEST_DATABASE_URL"
    )]
    PostgresMissing,

    /// `RYLIE_TEST_POSTGRES` names a folder where the server's programs are missing or do not run.
    #[error(
        "RYLIE_TEST_POSTGRES names {path}, where initdb or postgres is missing or does not run: name the folder of the programs, \
         such as /usr/lib/postgresql/15/bin"
    )]
    PostgresNotThere {
        /// The folder.
        path: PathBuf,
    },

    /// PostgreSQL is installed, but no supported version.
    #[error("PostgreSQL in {path} is version {found}: install version {required} or later")]
    PostgresTooOld {
        /// The folder of its programs.
        path: PathBuf,
        /// Its major version.
        found: u32,
        /// The oldest supported major version.
        required: u32,
    },

    /// PgBouncer was not found.
    #[error(
        "PgBouncer is not installed: install it (Debian, Ubuntu: `apt-get install pgbouncer`; macOS: `brew install pgbouncer`)"
    )]
    PoolerMissing,

    /// This process is root, PostgreSQL refuses to run as root, and no other user was found.
    #[error(
        "PostgreSQL does not run as root: create the user `postgres` or `nobody`, or run the tests as another user"
    )]
    NoUnprivilegedUser,

    /// The private server or pooler exited, or did not answer in time.
    #[error("the private PostgreSQL server, or the pooler in front of it, did not start; the end of its log:\n{log}")]
    NotStarted {
        /// Why the last attempt to connect failed.
        #[source]
        refusal: sqlx::Error,
        /// The last lines of its log.
        log: String,
    },

    /// `RYLIE_TEST_DATABASE_URL` is not of the form `postgres://user@host:port/database`.
    #[error("RYLIE_TEST_DATABASE_URL is not a URL of the form postgres://user@host:port/database")]
    ServerUrl,

    /// The primary served an attack that was meant for a replica.
    #[error("no replica served the unit: create the world with a working replica")]
    NotOnReplica,

    /// A file, folder, socket or process could not be used.
    #[error("{doing}")]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },

    /// The server refused an administrative command.
    #[error("{doing}")]
    Sql {
        /// The operation that failed.
        doing: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },

    /// The database under test refused or failed.
    #[error(transparent)]
    Database(Box<rylie_db::Error>),

    /// A unit or repository refused or failed.
    #[error(transparent)]
    Repository(#[from] rylie_db::repositories::Error),

    /// The keyring of a world could not be created.
    #[error("creating a keyring")]
    Keys(#[from] rylie_db::crypto::Error),

    /// The caller's function could not fill the template.
    #[error("filling the template database `{key}`")]
    Template {
        /// The key of the template.
        key: String,
        /// What the function returned.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<rylie_db::Error> for Error {
    fn from(error: rylie_db::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

impl Error {
    /// For `map_err`: names the operation that failed.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// For `map_err`: names the operation that failed.
    pub(crate) fn sql(doing: &'static str) -> impl Fn(sqlx::Error) -> Self + Copy {
        move |source| Self::Sql { doing, source }
    }
}
