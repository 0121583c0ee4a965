//! What can go wrong, and what to do about it.
//!
//! Longer than usual: the errors and refusals of this crate are one list, each with its advice.

use std::time::Duration;

use crate::adopt::Difference;
use crate::deploy::runner::Blocker;
use crate::owners::Stranger;

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
        blockers: Vec<Blocker>,
        /// What the last attempt got.
        source: sqlx::Error,
    },

    /// Somebody else is migrating this database.
    #[error("another migration has been running for over {} s ({}); wait for it, or end it if it hangs", .waited.as_secs(), process(.holder.as_ref()))]
    Locked {
        /// The process that holds the lock.
        holder: Option<Blocker>,
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

    /// It is done and did not do what it is for; on PostgreSQL its steps are kept.
    #[error(
        "{migration}: every step is done, and its check does not hold ({query}); look at the schema, then run the same command again"
    )]
    NotVerified {
        /// The migration.
        migration: &'static str,
        /// The condition that is not true.
        query: String,
    },

    /// A file could not be written.
    #[error("writing {path}")]
    File {
        /// Where it was to be.
        path: String,
        /// Why not.
        source: std::io::Error,
    },

    /// A name or another argument cannot be used.
    #[error("{0}")]
    Usage(String),

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
    #[error(
        "refused: this database is marked as production, whatever flags are given; what destroys data takes two steps: \
         `rylie environment mark staging --reason TEXT`, then the command"
    )]
    Production,

    /// SeaORM's command would drop the tables that Prisma made.
    #[error(
        "refused: this database was made by Prisma and adopted; `rylie migrate down` leaves its tables where they are"
    )]
    Adopted,

    /// Something else that destroys data, likewise.
    #[error(
        "refused to {doing}: this database is marked as production; it takes two steps: \
         `rylie environment mark staging --reason TEXT`, then the same again"
    )]
    Destructive {
        /// What was to be done.
        doing: String,
    },

    /// Production is not left without a word.
    #[error(
        "refused: this database is marked as production; to run a destructive command on it takes two steps: \
         `rylie environment mark staging --reason TEXT`, then that command"
    )]
    NoReason,

    /// There is no mark to set.
    #[error("refused: the database has no mark yet; run `rylie migrate deploy`, or `rylie adopt` if Prisma made it")]
    NoMark,

    /// Another database than the one expected.
    #[error("refused: the fingerprint {expected} is expected, and this database has {}; check the URL, or the setting `fingerprint`", found.as_deref().unwrap_or("none"))]
    WrongDatabase {
        /// By the setting.
        expected: String,
        /// By the database's mark.
        found: Option<String>,
    },

    /// What was applied is not what this version has.
    #[error(
        "refused: {migration} is applied and edited since ({detail}); put the file back as it was and write a new migration, or, if the \
         schema is right, `rylie migrate resolve {migration} --applied --reason TEXT`"
    )]
    Edited {
        /// The first such migration.
        migration: String,
        /// What does not fit.
        detail: String,
    },

    /// The record, or this version, lost a migration.
    #[error(
        "refused: {migration} is missing ({detail}); use a version that has it, or `rylie migrate resolve {migration} --applied` if the \
         schema holds it, `--rolled-back` if not"
    )]
    Missing {
        /// The first such migration.
        migration: String,
        /// Where it is missing.
        detail: String,
    },

    /// Migrations are applied in order.
    #[error(
        "refused: {migration} is inserted before {detail}, which is applied; give it a later number, or, if the schema holds it, \
         `rylie migrate resolve {migration} --applied --reason TEXT`"
    )]
    Inserted {
        /// The new one.
        migration: String,
        /// The newest that is applied.
        detail: String,
    },

    /// A name is for good.
    #[error(
        "refused: {migration} is applied under the name {detail}; give it that name again, or \
         `rylie migrate resolve {migration} --applied --reason TEXT`"
    )]
    Renamed {
        /// Its name in this version.
        migration: String,
        /// Its name when it was applied.
        detail: String,
    },

    /// A statement that must not be done twice was interrupted.
    #[error(
        "refused: statement {step} `{statement}` of migration {migration} may or may not have been applied; look, then \
         `rylie migrate resolve {migration} --applied|--rolled-back --reason TEXT`"
    )]
    InDoubt {
        /// The migration.
        migration: String,
        /// Counted from one.
        step: usize,
        /// How it begins.
        statement: String,
    },

    /// `resolve` met a name that is neither applied nor known.
    #[error("refused: there is no migration {migration}; `rylie migrate status` lists them")]
    NoSuchMigration {
        /// The name given.
        migration: String,
    },

    /// `resolve` met a migration that stands as it should.
    #[error("refused: {migration} needs no mending; `rylie migrate status` tells how it stands")]
    NothingToResolve {
        /// The name given.
        migration: String,
    },

    /// A login that is to be walled is exempt from the walls.
    #[error("refused: role {role} {reason}; provision another one")]
    UnsafeRole {
        /// Its name.
        role: String,
        /// Why it is not bound.
        reason: String,
    },

    /// Only who may make roles provisions them.
    #[error("refused: making roles takes a superuser, or a member of the tables' owner who may create roles")]
    MayNotMakeRoles,

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

    /// Something stands where ours does, or would be called by us, and belongs to somebody else.
    #[error("refused: {}; nothing was run: look at each, drop it, or mend it (`{}`), and let nobody but the owner create in schema public", first_stranger(.found), .found.first().map(|stranger| stranger.fix.as_str()).unwrap_or_default())]
    Strangers {
        /// All of it.
        found: Vec<Stranger>,
    },

    /// The caller's search path would say what a name in it means.
    #[error(
        "refused: function {function} has no fixed search path; look at it, then `ALTER FUNCTION {function} SET search_path = pg_catalog, public, pg_temp`"
    )]
    Unfixed {
        /// Its name and arguments.
        function: String,
    },

    /// A superuser works as the tables' owner, and never for her.
    #[error(
        "refused: the tables' owner {owner} may not create in schema public, and a superuser does not run her code; \
         `GRANT CREATE ON SCHEMA public TO {owner}`, then the same command again"
    )]
    OwnerMayNotCreate {
        /// Who owns a table of the base.
        owner: String,
    },

    /// Row-level security would bind a login that cannot take the roles by which it sees.
    #[error("refused: {reason}; then the same command again")]
    DoorsClosed {
        /// What is missing, and the statement that mends it.
        reason: String,
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

    /// Who would see nothing from then on is at work.
    #[error(
        "refused: sessions are open of logins that will reach no row once the adoption is finished: {logins}; stop what uses them, or \
         run the same command with `--yes`"
    )]
    OpenSessions {
        /// Each with the number of its sessions.
        logins: String,
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

fn first_stranger(found: &[Stranger]) -> String {
    let named: Vec<String> =
        found.iter().take(5).map(|stranger| format!("{} {}", stranger.object, stranger.reason)).collect();
    match found.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{}, and {more} more", named.join(", ")),
    }
}

fn first_of(differences: &[Difference]) -> String {
    let mut blocking = differences.iter().filter(|difference| difference.blocking);
    let first = blocking.next().map(ToString::to_string).unwrap_or_default();
    match blocking.count() {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}
