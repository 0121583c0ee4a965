//! Errors of jobs.
//!
//! This file is long because all errors of jobs are one list, each with its message.

use std::path::{Path, PathBuf};

/// The result of a job.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a job. Batches that were committed before it stay.
///
/// # Errors of every call
///
/// A function names only the errors of its own. These may come from every function that does such work:
///
/// - [`Data`](Self::Data): a unit failed; its error is the source. See
///   [every call of a unit](rylie_repositories::Error#errors-of-every-call).
/// - [`Engine`](Self::Engine): a session outside of units could not be opened, or a statement on it failed.
/// - [`Pooled`](Self::Pooled): the session goes through a pooler.
/// - [`File`](Self::File): a file could not be read or written.
/// - [`Store`](Self::Store): object storage failed or refused a request.
/// - [`Program`](Self::Program): a program of PostgreSQL is missing or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data layer failed.
    #[error("{doing}")]
    Data {
        /// The operation.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rylie_repositories::Error,
    },

    /// A file could not be read or written.
    #[error("{doing}")]
    File {
        /// The operation and the file.
        doing: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },

    /// The file exists. Files are never overwritten.
    #[error("{path} exists and is not overwritten; name another file")]
    FileExists {
        /// The path of the file.
        path: PathBuf,
    },

    /// The tenant file is damaged or was changed.
    #[error("the tenant file is invalid at line {line}: {reason}")]
    TenantFile {
        /// The number of the line, from 1.
        line: u64,
        /// Why the line is invalid.
        reason: &'static str,
    },

    /// A row of a tenant's file reaches beyond the tenant. Nothing was imported.
    #[error("line {line} of the file {reason}; nothing was imported")]
    BeyondTenant {
        /// The number of the line, from 1.
        line: u64,
        /// The reason, as a predicate of the line.
        reason: &'static str,
    },

    /// A tenant's file makes a user a super admin. Nothing was imported.
    #[error(
        "line {line} of the file makes the user {user} a super admin, which an import never does; nothing was imported: \
         remove the role, export again, and grant the role after the import"
    )]
    SuperAdminInFile {
        /// The number of the line, from 1.
        line: u64,
        /// The user's id in the file.
        user: String,
    },

    /// The database refused rows of a tenant.
    #[error("importing lines {from} to {to} of the file failed; nothing was imported")]
    Row {
        /// The number of the first line, from 1.
        from: u64,
        /// The number of the last one.
        to: u64,
        /// The cause.
        #[source]
        source: rylie_repositories::Error,
    },

    /// The tenant file was exported at another version of the schema.
    #[error("the file comes from a database at migration {file}, and this one is at {database}; migrate the older one")]
    OtherSchema {
        /// The newest migration of the exporting database.
        file: String,
        /// The newest migration of this database.
        database: String,
    },

    /// The text cannot be the name of a tenant.
    #[error("not a tenant: name an agency's id, or user:<id> for a user without an agency")]
    NotATenant,

    /// Another process is sealing the audit log.
    #[error("another process is sealing the audit log; try again when it has finished")]
    Sealing,

    /// The retention time of the audit log is too short.
    #[error("audit records are kept for at least a day; give a number of days from 1")]
    Retention,

    /// A setting of a job's schedule is wrong.
    #[error("the setting {setting}: {reason}")]
    Schedule {
        /// Its name: `schedule.<job>.<setting>`.
        setting: String,
        /// Why it is wrong, or the required form.
        reason: String,
    },

    /// There is no job of this name.
    #[error("there is no such job; the jobs are {known}")]
    UnknownJob {
        /// The names of the existing jobs.
        known: String,
    },

    /// The job is already running, and a job does not overlap itself.
    #[error("{job} is already running; wait for it, or see `rylie maintain status`")]
    JobRunning {
        /// Its name.
        job: String,
    },

    /// Another process has taken over the run, because this one did not respond for too long. Nothing was committed.
    #[error("another process has taken over this run; nothing was committed here")]
    LeaseLost,

    /// A size, a target or another input that cannot be used.
    #[error("{what} is not acceptable: {reason}")]
    Invalid {
        /// Which input.
        what: String,
        /// Why it is wrong, or the required form.
        reason: String,
    },

    /// The login may not end another login's session.
    #[error(
        "this login may not end that session (42501); a superuser runs `{grant}`, or ends the session itself: only a superuser \
         may end a superuser's"
    )]
    MayNotEnd {
        /// The statement that gives the right.
        grant: String,
    },

    /// A statement of engine maintenance failed.
    #[error("{doing}")]
    Engine {
        /// The operation.
        doing: String,
        /// The cause.
        #[source]
        source: EngineFault,
    },

    /// Only the owner of the tables may do this. Nothing was done.
    #[error("this login does not own the tables, and only their owner may do this; log in as the owner")]
    NotOwner,

    /// The address leads to a pooler, and engine maintenance needs a direct session. Nothing was done.
    #[error("the connection goes through a pooler, and this needs a direct session; connect to the server itself")]
    Pooled,

    /// The database file is damaged.
    #[error("the database file is damaged: {first}; restore a backup")]
    Damaged {
        /// The first finding, without values of rows.
        first: String,
    },

    /// There is no such backup.
    #[error("there is no backup {id} in {folder}; see `rylie backup list`")]
    NoBackup {
        /// The id.
        id: String,
        /// The address of the backups.
        folder: String,
    },

    /// A backup is encrypted, and its key is missing or another one. Nothing was changed.
    #[error("the backup {id} cannot be opened: {reason}")]
    BackupLocked {
        /// Its id.
        id: String,
        /// Which key it needs.
        reason: String,
    },

    /// Object storage failed or refused a request.
    #[error("{doing} {target}: {reason}")]
    Store {
        /// The operation.
        doing: &'static str,
        /// The address.
        target: String,
        /// What the storage said, without credentials.
        reason: String,
    },

    /// A guard refused a backup, a drill or a restore. Nothing was changed.
    #[error("{reason}")]
    BackupRefused {
        /// Why, and what to do.
        reason: String,
    },

    /// A backup is not as it was made.
    #[error("the backup {id} is damaged: {reason}")]
    BackupDamaged {
        /// Its id.
        id: String,
        /// What is damaged.
        reason: String,
    },

    /// The server of a drill lacks what the restore needs. This says nothing about the backup.
    #[error("the backup was not checked: {reason}")]
    ScratchLacks {
        /// What it lacks, and what to do.
        reason: String,
    },

    /// Point-in-time recovery is refused by a guard.
    #[error("{reason}")]
    PitrRefused {
        /// Why, and what to do.
        reason: String,
    },

    /// The server, the login or the folder is not set up for point-in-time recovery.
    #[error("point-in-time recovery is not set up: {}", problems.join("; "))]
    PitrNotReady {
        /// Each with its remedy.
        problems: Vec<String>,
    },

    /// The target of a restore is outside of the times to which the folder leads.
    #[error("{asked} is outside of the recovery window, which is {window}")]
    OutsideWindow {
        /// The time that was asked for.
        asked: String,
        /// The window in words.
        window: String,
    },

    /// The write-ahead log in the folder is not whole.
    #[error("the WAL is not whole: {problem}")]
    WalDamaged {
        /// The segment and what is wrong with it.
        problem: String,
    },

    /// The recovery ended before its target.
    #[error("the restore did not reach its target: {reason}")]
    TargetNotReached {
        /// The server's own reason.
        reason: String,
    },

    /// One of PostgreSQL's programs failed.
    #[error("{program}: {reason}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Its first error, without values of rows.
        reason: String,
    },

    /// A backup that a job makes or checks.
    #[error("working on a backup")]
    Backup {
        /// Why it could not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A message could not be delivered.
    #[error("delivering an alert to {target}")]
    Delivery {
        /// The displayed target, without passwords and paths.
        target: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A seed file with a list in place of an object.
    #[error("the seed file is not valid: the file, each agency, each user and the settings must be objects")]
    SeedShape,

    /// The seed file cannot be parsed; the cause has line and column.
    #[error("the seed file is not valid; see the README for its form")]
    SeedFile(#[source] serde_json::Error),
}

/// An error of the driver, shown without the values of rows.
pub struct EngineFault(pub(crate) sqlx::Error);

impl std::fmt::Display for EngineFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", rylie_driver::Reason(&self.0))
    }
}

impl std::fmt::Debug for EngineFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EngineFault({self})")
    }
}

impl std::error::Error for EngineFault {}

impl Error {
    /// Wraps an error of a file operation.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let doing = format!("{doing} {}", path.display());
        move |source| Self::File { doing: doing.clone(), source }
    }

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

/// Returns the error with its causes in one line, short enough for a table or a log. Our errors contain no values.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    const LONGEST: usize = 500;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(LONGEST).collect()
}
