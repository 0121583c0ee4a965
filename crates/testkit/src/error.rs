//! What can go wrong while a test's surroundings are made.

use std::io;
use std::path::PathBuf;

/// The result of making a test's surroundings.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while a test's surroundings are made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder with `initdb` and `postgres` was found.
    #[error(
        "PostgreSQL's server programs (initdb, postgres) are not installed: install them (Debian, Ubuntu: \
         `apt-get install postgresql`; macOS: `brew install postgresql`), or name a server in RYLIE_TEST_DATABASE_URL"
    )]
    PostgresMissing,

    /// `RYLIE_TEST_POSTGRES` names a folder in which the server's programs are not, or do not run.
    #[error(
        "RYLIE_TEST_POSTGRES names {path}, and there is no initdb and postgres in it that run; name the folder of the programs, \
         such as /usr/lib/postgresql/15/bin"
    )]
    PostgresNotThere {
        /// The folder.
        path: PathBuf,
    },

    /// PostgreSQL is installed, but no version that is supported.
    #[error("the PostgreSQL found ({path}) is version {found}: at least {required} is needed")]
    PostgresTooOld {
        /// The folder of its programs.
        path: PathBuf,
        /// Its major version.
        found: u32,
        /// The oldest major version that will do.
        required: u32,
    },

    /// PgBouncer was not found.
    #[error(
        "PgBouncer is not installed: install it (Debian, Ubuntu: `apt-get install pgbouncer`; macOS: `brew install pgbouncer`)"
    )]
    PoolerMissing,

    /// This process is root, PostgreSQL refuses to run as root, and there is nobody else to run it as.
    #[error("PostgreSQL does not run as root, and the users `postgres` and `nobody` do not exist here")]
    NoUnprivilegedUser,

    /// The private server or pooler gave up, or did not answer in time; this is what it said.
    #[error("the private PostgreSQL server, or the pooler before it, did not start; the end of its log:\n{log}")]
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

    /// An attack on what a replica serves was served by the primary.
    #[error("no replica served the unit: the world needs one that does")]
    NotOnReplica,

    /// A file, folder, socket or process could not be used.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },

    /// The server refused an administrative command.
    #[error("{doing}")]
    Sql {
        /// What was being done.
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

    /// The keyring of a world could not be made.
    #[error("making a keyring")]
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
    /// For `map_err`: names what was being done.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// For `map_err`: names what was being done.
    pub(crate) fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { doing, source }
    }
}
