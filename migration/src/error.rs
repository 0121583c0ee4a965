//! The crate's errors, each with the remedy in its message.

mod refusal;

use std::time::Duration;

use rylie_driver::{Blocker, InvalidAddress, Reason};

use crate::adopt::Difference;

pub use refusal::Refusal;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL's scheme belongs to no supported engine. The message omits the URL, which may contain a password.
    #[error("the database URL must begin with `postgres://` or `sqlite:`")]
    UnknownScheme,

    /// The URL is malformed or names another schema than `public`. Nothing was sent.
    #[error(transparent)]
    Address(#[from] InvalidAddress),

    /// The connection failed. The message contains the server's reason, its SQLSTATE and a remedy.
    #[error("connecting to the database failed: {}", Reason(.0).with_remedy())]
    Connect(#[source] sqlx::Error),

    /// A statement of the migration runner itself failed.
    #[error("{doing}: {}", Reason(.source).with_remedy())]
    Database {
        /// The operation that failed.
        doing: &'static str,
        /// The cause.
        source: sqlx::Error,
    },

    /// A step failed. Earlier steps persist, unless the migration is one transaction.
    #[error(
        "{migration}: step {step} failed ({statement}): {}; fix the cause and run the same command again; it resumes",
        Reason(.source).with_remedy()
    )]
    Step {
        /// The migration.
        migration: &'static str,
        /// The step's number, from one.
        step: usize,
        /// The beginning of the statement.
        statement: String,
        /// The cause.
        source: sqlx::Error,
    },

    /// A step did not get its locks.
    #[error("{migration}: step {step} did not get its locks in {attempts} attempts ({statement}); {}, then run the same command again; it resumes", blocked_by(.blockers))]
    Blocked {
        /// The migration.
        migration: &'static str,
        /// The step's number, from one.
        step: usize,
        /// The beginning of the statement.
        statement: String,
        /// The number of attempts.
        attempts: u32,
        /// The processes that blocked it when last observed.
        blockers: Vec<Blocker>,
        /// The error of the last attempt.
        source: sqlx::Error,
    },

    /// A statement of the migration runner itself did not get its lock in time. Nothing was changed by it.
    #[error("{doing}: another session holds a lock that it needs (55P03); {}, then run the same command again", blocked_by(.blockers))]
    Waited {
        /// The operation that waited.
        doing: &'static str,
        /// The processes that blocked it, as far as they were observed.
        blockers: Vec<Blocker>,
        /// The cause.
        source: sqlx::Error,
    },

    /// Another process is migrating this database.
    #[error("another migration has been running for over {} s ({}); wait for it{}", .waited.as_secs(), process(.holder.as_ref()), or_end(.holder.as_ref()))]
    Locked {
        /// The process that holds the lock.
        holder: Option<Blocker>,
        /// How long the caller waited.
        waited: Duration,
    },

    /// The migration would leave rows that refer to missing rows.
    #[error(
        "{migration}: rows of table {table} refer to rows that do not exist; correct or delete them, then run the same command again"
    )]
    Orphans {
        /// The migration.
        migration: &'static str,
        /// The table that contains the rows.
        table: String,
    },

    /// All steps are done, but the migration's check fails. On PostgreSQL its steps persist.
    #[error(
        "{migration}: all steps are done, but its check fails ({query}); inspect the schema, then run the same command again"
    )]
    NotVerified {
        /// The migration.
        migration: &'static str,
        /// The condition that does not hold.
        query: String,
    },

    /// A file could not be written.
    #[error("writing {path}")]
    File {
        /// The path of the file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },

    /// An argument is invalid.
    #[error("{0}")]
    Usage(String),

    /// A guard refused the operation; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),

    /// The database differs from what Prisma left; nothing was changed.
    #[error("this is not the base: {}; nothing was changed", first_of(.differences))]
    NotTheBase {
        /// All differences, including those that do not prevent an adoption.
        differences: Vec<Difference>,
    },
}

impl Error {
    /// Returns a closure for `map_err` that adds the operation.
    pub(crate) fn doing(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}

fn blocked_by(blockers: &[Blocker]) -> String {
    match blockers {
        [] => "wait until the transactions that use the table have ended".to_owned(),
        blockers => {
            let list: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            format!("wait for or end {}", list.join(", "))
        }
    }
}

fn process(holder: Option<&Blocker>) -> String {
    holder.map_or_else(|| "its process was not found".to_owned(), ToString::to_string)
}

/// A migration's session is protected, so ending it takes a flag.
fn or_end(holder: Option<&Blocker>) -> String {
    let end = |holder: &Blocker| {
        format!(", or, if its program is gone, end it: `rylie doctor terminate {} --force`", holder.pid)
    };
    holder.map_or_else(|| ", or end it if its program is gone".to_owned(), end)
}

fn first_of(differences: &[Difference]) -> String {
    let mut blocking = differences.iter().filter(|difference| difference.blocking);
    let first = blocking.next().map(ToString::to_string).unwrap_or_default();
    match blocking.count() {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}
