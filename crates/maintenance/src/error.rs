//! What can go wrong in a job.

use std::path::{Path, PathBuf};

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

    /// A file could not be read or written.
    #[error("{doing}")]
    File {
        /// What was being done, and to which file.
        doing: String,
        /// Why it could not.
        #[source]
        source: std::io::Error,
    },

    /// There is a file of that name, which is not written over.
    #[error("{path} exists, and is not written over; name another file")]
    FileExists {
        /// Which one.
        path: PathBuf,
    },

    /// The file of a tenant is not as it was written.
    #[error("the file of the tenant is not good at line {line}: {reason}")]
    TenantFile {
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong there.
        reason: &'static str,
    },

    /// A row of a tenant's file reaches beyond the tenant. Nothing was imported.
    #[error("line {line} of the file {reason}; nothing was imported")]
    BeyondTenant {
        /// The number of the line, from 1.
        line: u64,
        /// What the row does.
        reason: &'static str,
    },

    /// A tenant's file holds a user with the role of a super admin. Nothing was imported.
    #[error(
        "line {line} of the file makes the user {user} a super admin, and no file does that; nothing was imported: take the \
         role away and export again, and give it anew after the import"
    )]
    SuperAdminInFile {
        /// The number of the line, from 1.
        line: u64,
        /// The user's id, as the file has it.
        user: String,
    },

    /// A tenant's rows that the database refused.
    #[error("importing lines {from} to {to} of the file; nothing was imported")]
    Row {
        /// The number of the first line, from 1.
        from: u64,
        /// The number of the last one.
        to: u64,
        /// Why not.
        #[source]
        source: rylie_repositories::Error,
    },

    /// The file of a tenant comes from a database of another version.
    #[error("the file comes from a database at migration {file}, and this one is at {database}; migrate the older one")]
    OtherSchema {
        /// The newest migration of the database that it comes from.
        file: String,
        /// The newest migration of this one.
        database: String,
    },

    /// What cannot be the name of a tenant.
    #[error("not a tenant: name an agency's id, or user:<id> for a user of no agency")]
    NotATenant,

    /// Another process is sealing the audit log.
    #[error("another process is sealing the audit log; try again when it is done")]
    Sealing,

    /// Too short a time for records of the audit log to be kept.
    #[error("records of the audit log are kept for a day at least; name a number of days from 1 on")]
    Retention,

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

    /// Only the owner of the tables may care for them. Nothing was done.
    #[error("this login does not own the tables, and only their owner may do this; log in as the owner")]
    NotOwner,

    /// The address leads to a pooler, and the care of the engine takes a session of its own. Nothing was done.
    #[error("a pooler stands before the server, and this takes a session of its own; connect to the server itself")]
    Pooled,

    /// The file of the database is damaged.
    #[error("the file of the database is damaged: {first}; restore a backup")]
    Damaged {
        /// The first thing found; no value of a row is in it.
        first: String,
    },

    /// There is no such backup.
    #[error("there is no backup {id} in {}; see `rylie backup list`", .folder.display())]
    NoBackup {
        /// The id.
        id: String,
        /// The folder of the backups.
        folder: PathBuf,
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

    /// The server of a drill lacks what the restore needs. This tells nothing about the backup.
    #[error("the backup was not checked: {reason}")]
    ScratchLacks {
        /// What it lacks, and what to do.
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
    /// What was being done to a file, when that fails.
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

/// The error with its causes, in one line that is not too long for a table or a log; none of ours holds a value.
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
