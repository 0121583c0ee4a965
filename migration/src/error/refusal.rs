//! Why a guard refused an operation, with the remedy.
//!
//! This file is long because all refusals form one list.

use crate::owners::Stranger;

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
