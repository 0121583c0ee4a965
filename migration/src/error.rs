//! The crate's errors, each with the remedy in its message.
//!
//! This file is long because the crate's errors and refusals form one list, each with its remedy.

use std::time::Duration;

use rylie_driver::{Blocker, InvalidAddress, Reason};

use crate::adopt::Difference;
use crate::owners::Stranger;

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

/// Why a guard refused an operation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Reverting migrations loses data, and this database is production.
    #[error(
        "refused: this database is marked as production, and no flag overrides that; destroying data takes two steps: \
         `rylie environment mark staging --reason TEXT`, then this command"
    )]
    Production,

    /// SeaORM's command would drop the tables that Prisma created.
    #[error(
        "refused: Prisma created this database, and it was adopted; run `rylie migrate down`, which keeps its tables"
    )]
    Adopted,

    /// Another destructive operation was refused because this database is production.
    #[error(
        "refused to {doing}: this database is marked as production; destroying data takes two steps: \
         `rylie environment mark staging --reason TEXT`, then this command"
    )]
    Destructive {
        /// The operation.
        doing: String,
    },

    /// Leaving production requires a reason.
    #[error(
        "refused: this database is marked as production; a destructive command takes two steps: \
         `rylie environment mark staging --reason TEXT`, then that command"
    )]
    NoReason,

    /// The database has no environment marker.
    #[error(
        "refused: the database has no environment marker yet; run `rylie migrate deploy`, or `rylie adopt` if Prisma created it"
    )]
    NoMark,

    /// This is not the expected database.
    #[error("refused: expected the database with fingerprint {expected}, but this one has {}; check the URL and the setting `fingerprint`", found.as_deref().unwrap_or("none"))]
    WrongDatabase {
        /// The expected fingerprint, from the setting.
        expected: String,
        /// The fingerprint in the database.
        found: Option<String>,
    },

    /// An applied migration differs from this version's.
    #[error(
        "refused: {migration} was edited after it was applied ({detail}); restore the file and write a new migration, or, if the \
         schema is right, run `rylie migrate resolve {migration} --applied --reason TEXT`"
    )]
    Edited {
        /// The first such migration.
        migration: String,
        /// The difference.
        detail: String,
    },

    /// A migration is absent from the records or from this version.
    #[error(
        "refused: {migration} is missing ({detail}); use a version that has it, or run `rylie migrate resolve {migration} --applied --reason TEXT` \
         if the schema contains it, `rylie migrate resolve {migration} --rolled-back --reason TEXT` if not"
    )]
    Missing {
        /// The first such migration.
        migration: String,
        /// Where it is missing.
        detail: String,
    },

    /// A new migration precedes an applied one.
    #[error(
        "refused: {migration} is inserted before {detail}, which is applied; give it a later number, or, if the schema contains it, \
         run `rylie migrate resolve {migration} --applied --reason TEXT`"
    )]
    Inserted {
        /// The new migration.
        migration: String,
        /// The newest applied migration.
        detail: String,
    },

    /// A migration was renamed after it was applied.
    #[error(
        "refused: {migration} is applied under the name {detail}; restore that name, or \
         run `rylie migrate resolve {migration} --applied --reason TEXT`"
    )]
    Renamed {
        /// Its name in this version.
        migration: String,
        /// Its name when it was applied.
        detail: String,
    },

    /// A statement that must not run twice was interrupted.
    #[error(
        "refused: statement {step} `{statement}` of migration {migration} may or may not have been applied; inspect the schema, then \
         run `rylie migrate resolve {migration} --applied --reason TEXT` if it was, \
         `rylie migrate resolve {migration} --rolled-back --reason TEXT` if not"
    )]
    InDoubt {
        /// The migration.
        migration: String,
        /// The statement's number, from one.
        step: usize,
        /// The beginning of the statement.
        statement: String,
    },

    /// `resolve` got a name that is neither applied nor known.
    #[error("refused: there is no migration {migration}; `rylie migrate status` lists them")]
    NoSuchMigration {
        /// The given name.
        migration: String,
    },

    /// `resolve` got a migration whose state needs no correction.
    #[error("refused: {migration} has nothing to resolve; `rylie migrate status` shows its state")]
    NothingToResolve {
        /// The given name.
        migration: String,
    },

    /// The isolation layers would not apply to the login that is to be provisioned.
    #[error("refused: role {role} {reason}; provision another one")]
    UnsafeRole {
        /// The login's name.
        role: String,
        /// The reason.
        reason: String,
    },

    /// SQLite has no roles, so there is no login to provision.
    #[error("refused: SQLite has no roles, so there is no login to provision; protect the file by its permissions")]
    NoRoles,

    /// A reader of one tenant needs an existing tenant.
    #[error("refused: there is no tenant {tenant}; name an agency's id, or `user:ID` for a user without an agency")]
    NoSuchTenant {
        /// The given id.
        tenant: String,
    },

    /// A login to provision would have no password.
    #[error(
        "refused: login {login} would have no password; run the same command with `--{kind}-password-file FILE`, or give the \
         password as a line of standard input"
    )]
    NoPassword {
        /// The login's name.
        login: String,
        /// The login's kind: `app`, `sealer`, `readonly` or `backup`.
        kind: &'static str,
    },

    /// The server refused a role, a membership or an attribute that provisioning needs.
    #[error("refused: {reason} (42501); nothing was changed; {fix}")]
    MayNotMakeRoles {
        /// The server's reason.
        reason: String,
        /// The remedy.
        fix: String,
    },

    /// The coexistence would end without a login for the service, and this login could not provision one.
    #[error(
        "refused: no login of the service is provisioned, and {reason}; {fix}, or run the same command with `--yes`"
    )]
    Unserved {
        /// Why this login could not.
        reason: String,
        /// The remedy.
        fix: String,
    },

    /// The database has tables but no environment marker.
    #[error(
        "refused: this database contains tables but no environment marker; run `rylie migrate deploy` or `rylie adopt` first"
    )]
    NotOurs,

    /// `deploy` found tables of the base that it did not create.
    #[error(
        "refused: table {table} exists and no migration created it; run `rylie adopt --dry-run`, then `rylie adopt`"
    )]
    NotAdopted {
        /// The first such table.
        table: String,
    },

    /// `deploy` found a table of the base that it did not create, and that this login may not adopt.
    #[error(
        "refused: table {table} exists, belongs to role {owner}, and no migration created it; if Prisma created the database, \
         run `rylie adopt` as {owner}, else drop or rename the table"
    )]
    TakenName {
        /// The first such table.
        table: String,
        /// Its owner, quoted as an identifier.
        owner: String,
    },

    /// `deploy` found tables of another application.
    #[error(
        "refused: this database contains table {table} of another application; use a separate database for the platform"
    )]
    NotEmpty {
        /// The first such table.
        table: String,
    },

    /// `adopt` found an empty database.
    #[error("refused: there is nothing to adopt; run `rylie migrate deploy`")]
    NothingToAdopt,

    /// A finding of the preflight prevents the adoption.
    #[error("refused: {detail}; nothing was changed; {fix}")]
    Prevented {
        /// The condition.
        detail: String,
        /// The remedy.
        fix: String,
    },

    /// The operation is available on PostgreSQL only.
    #[error(
        "refused: this is available on PostgreSQL only, where Prisma's service ran; for SQLite, run `rylie migrate deploy`"
    )]
    NotPostgres,

    /// `adopt --undo` found no adoption.
    #[error(
        "refused: there is nothing to undo: this database was not adopted, or an earlier version took the adoption back"
    )]
    NothingToUndo,

    /// `adopt --undo` came after the end of the coexistence.
    #[error(
        "refused: the adoption is finished, and the old service's logins have lost their rows; there is no way back by this command; \
         restore a backup from before `rylie adopt --finish`"
    )]
    Finished,

    /// Only its owner may alter a table.
    #[error(
        "refused: only its owner, a member of that role or a superuser may alter table {table}; log in as one of these"
    )]
    NotOwner {
        /// The first such table.
        table: String,
    },

    /// An object under one of our names, or one that our statements would call, belongs to another role.
    #[error("refused: {}; nothing was run; inspect each object, drop or fix it (`{}`), and let only the owner create objects in schema public", first_stranger(.found), .found.first().map(|stranger| stranger.fix.as_str()).unwrap_or_default())]
    Strangers {
        /// All such objects.
        found: Vec<Stranger>,
    },

    /// Objects that no migration made depend on what would be dropped.
    #[error("refused: {} depends on what would be dropped; nothing was run; drop it, run the same command again, and create it again afterwards", first_few(.objects))]
    Dependents {
        /// All such objects, as PostgreSQL describes them.
        objects: Vec<String>,
    },

    /// A table has the name of one of ours and another shape.
    #[error(
        "refused: table {table} exists, and no migration created it: {detail}; nothing was changed in it; rename or drop it, then run \
         the same command again"
    )]
    OtherShape {
        /// The table's name.
        table: String,
        /// The first difference.
        detail: String,
    },

    /// A function's names would be resolved by the caller's search path.
    #[error(
        "refused: function {function} has no fixed search path; inspect it, then run `ALTER FUNCTION {function} SET search_path = pg_catalog, public, pg_temp`"
    )]
    Unfixed {
        /// The function's name and arguments.
        function: String,
    },

    /// A superuser must act as the table owner, so that the owner's code never runs with a superuser's rights.
    #[error(
        "refused: the table owner {owner} may not create objects in schema public, and its code must not run as a superuser; \
         run `GRANT CREATE ON SCHEMA public TO {owner}`, then the same command again"
    )]
    OwnerMayNotCreate {
        /// The role that owns a table of the base.
        owner: String,
    },

    /// Row-level security would apply to a login that cannot assume the roles whose rows it needs.
    #[error("refused: {reason}; then run the same command again")]
    DoorsClosed {
        /// The missing right, and the statement that grants it.
        reason: String,
    },

    /// The coexistence cannot end before row-level security is in force.
    #[error(
        "refused: row-level security is not in force: {reason}; run the same command as a superuser, or as a member of the table \
         owner that may create roles"
    )]
    NoRowSecurity {
        /// What is missing.
        reason: String,
    },

    /// Logins that would lose rows have open sessions.
    #[error(
        "refused: logins that will see no rows once the adoption is finished have open sessions: {logins}; stop their programs, or \
         run the same command with `--yes`"
    )]
    OpenSessions {
        /// The logins, each with the number of its sessions.
        logins: String,
    },

    /// A later version migrated this database, and this version cannot revert those migrations.
    #[error("refused: {migration} is applied but unknown to this version; use the version that applied it")]
    Newer {
        /// The first unknown migration.
        migration: String,
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

fn first_stranger(found: &[Stranger]) -> String {
    let all: Vec<String> = found.iter().map(|stranger| format!("{} {}", stranger.object, stranger.reason)).collect();
    first_few(&all)
}

fn first_few(all: &[String]) -> String {
    let named = &all[..all.len().min(5)];
    match all.len() - named.len() {
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
