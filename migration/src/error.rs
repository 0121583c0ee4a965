//! What can go wrong, and what to do about it.

use std::time::Duration;

use crate::adopt::Difference;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a migration did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scheme is of no engine we know. The URL is not repeated: it may hold a password.
    #[error("the database URL must begin with `postgres://` or `sqlite:`")]
    UnknownScheme,

    /// No connection.
    #[error("connecting to the database; check the URL, and that the server runs and lets you in")]
    Connect(#[source] sqlx::Error),

    /// A statement of the runner itself failed.
    #[error("{doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },

    /// A step failed; what came before it is kept, unless the migration is one transaction.
    #[error("{migration}: step {step} failed ({statement}); mend the cause and run the same command again, it resumes")]
    Step {
        /// The migration.
        migration: &'static str,
        /// Counted from one.
        step: usize,
        /// How the statement begins.
        statement: String,
        /// Why it failed.
        source: sqlx::Error,
    },

    /// A step did not get its locks.
    #[error("{migration}: step {step} did not get its locks in {attempts} attempts ({statement}); {}, then run the same command again, it resumes", blocked_by(.blockers))]
    Blocked {
        /// The migration.
        migration: &'static str,
        /// Counted from one.
        step: usize,
        /// How the statement begins.
        statement: String,
        /// How often it was tried.
        attempts: u32,
        /// The processes that stood in the way when last seen.
        blockers: Vec<i32>,
        /// What the last attempt got.
        source: sqlx::Error,
    },

    /// Somebody else is migrating this database.
    #[error("another migration has been running for over {} s ({}); wait for it, or end it if it hangs", .waited.as_secs(), process(*.holder))]
    Locked {
        /// The process that holds the lock.
        holder: Option<i32>,
        /// How long it was waited for.
        waited: Duration,
    },

    /// The migration would leave rows that refer to nothing.
    #[error(
        "{migration}: rows of table {table} refer to rows that do not exist; mend or remove them, then run the same command again"
    )]
    Orphans {
        /// The migration.
        migration: &'static str,
        /// The table with the rows.
        table: String,
    },

    /// A guard said no; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),

    /// The database differs from what Prisma left; nothing was changed.
    #[error("this is not the base: {}; nothing was changed", first_of(.differences))]
    NotTheBase {
        /// Every difference, those that would not block included.
        differences: Vec<Difference>,
    },
}

/// Why a guard said no.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Taking back migrations loses data.
    #[error("refused: this database is marked as production; `environment mark` it otherwise if that is wrong")]
    Production,

    /// There are tables, but no mark of ours.
    #[error("refused: this database holds tables and no mark of ours; run `migrate deploy` or `adopt` first")]
    NotOurs,

    /// `deploy` met tables that it did not make.
    #[error("refused: table {table} is there already and was not made by a migration; run `adopt`")]
    NotAdopted {
        /// The first such table.
        table: String,
    },

    /// `deploy` met a database in use by something else.
    #[error(
        "refused: this database holds table {table} of another application; give the platform a database of its own"
    )]
    NotEmpty {
        /// The first such table.
        table: String,
    },

    /// `adopt` met an empty database.
    #[error("refused: there is nothing to adopt; run `migrate deploy`")]
    NothingToAdopt,

    /// `adopt` is for PostgreSQL.
    #[error(
        "refused: Prisma's service wrote to PostgreSQL only, a SQLite database is not adopted; run `migrate deploy`"
    )]
    NotPostgres,

    /// Only a table's owner may alter it.
    #[error(
        "refused: altering table {table} takes its owner, a member of that role, or a superuser; log in as one of these"
    )]
    NotOwner {
        /// The first such table.
        table: String,
    },

    /// The coexistence cannot end before row-level security binds the database.
    #[error(
        "refused: row-level security is not in force: {reason}; run the same command as a superuser, or as a member of the tables' \
         owner who may create roles"
    )]
    NoWall {
        /// What is missing.
        reason: String,
    },

    /// A later version migrated this database; its migrations cannot be taken back by this one.
    #[error("refused: {migration} is applied and unknown to this version; use the version that applied it")]
    Newer {
        /// The first unknown one.
        migration: String,
    },
}

impl Error {
    /// For `map_err`: what was being done.
    pub(crate) fn doing(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}

fn blocked_by(pids: &[i32]) -> String {
    match pids {
        [] => "wait until the transactions that use the table have ended".to_owned(),
        pids => {
            let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
            format!("wait for or end process {}", list.join(", "))
        }
    }
}

fn process(pid: Option<i32>) -> String {
    pid.map_or_else(|| "its process was not found".to_owned(), |pid| format!("process {pid}"))
}

fn first_of(differences: &[Difference]) -> String {
    let mut blocking = differences.iter().filter(|difference| difference.blocking);
    let first = blocking.next().map(ToString::to_string).unwrap_or_default();
    match blocking.count() {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}
