//! Errors between a caller and the database.
//!
//! This file is long because one enum and the server's error codes describe all failures of a database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rylie_driver::{InvalidAddress, Reason, code_of};
use sea_orm::{DbErr, RuntimeErr};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::bounds::is_silence;
use crate::holders::Holder;

/// The result of an operation on a connection.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a connection or a transaction. No message contains the value of a parameter.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A unique value already exists, possibly in another tenant.
    #[error("another {entity} has this {field}; choose a different one")]
    Conflict {
        /// The table's name.
        entity: String,
        /// The columns of the constraint.
        field: String,
    },

    /// The row refers to one that does not exist, or other rows refer to it.
    #[error("a reference between rows is violated{}; make sure that the referenced row exists, or first remove the rows that refer to this one", constraint_suffix(.constraint.as_deref()))]
    Reference {
        /// The foreign key; `None` on SQLite, which does not report it.
        constraint: Option<String>,
    },

    /// A check of the table refuses the value of a column.
    #[error("column {column} of table {table} is not acceptable: a check of the table refuses the value")]
    Check {
        /// The table's name.
        table: String,
        /// The column's name.
        column: String,
    },

    /// An input that cannot be stored or queried.
    #[error("{what} is not acceptable: {reason}")]
    Invalid {
        /// Which input.
        what: &'static str,
        /// What it must be.
        reason: &'static str,
    },

    /// The service's login serves tenant and identity units only. Nothing was sent.
    #[error("this login serves tenant and identity units only; set RYLIE_PLATFORM_URL to a login for platform units")]
    NoPlatform,

    /// A SQLite file with tables, none of them ours. Nothing was written to it.
    #[error("this file belongs to another application, and nothing was written to it; name another file")]
    ForeignFile,

    /// The pool could not provide a connection in time.
    #[error(
        "no connection within {waited:.1?}: {in_use} of {size} are in use and {waiting} more callers wait{}; close units \
         sooner or raise `max_connections`", Holder::in_words(.longest)
    )]
    PoolExhausted {
        /// How long the caller waited.
        waited: Duration,
        /// The size of the pool.
        size: u32,
        /// How many connections units hold.
        in_use: usize,
        /// How many other callers wait for a connection.
        waiting: usize,
        /// The units that have held a connection longest, the longest first; at most three.
        longest: Vec<Holder>,
    },

    /// The database ended a statement that ran or waited for a lock too long.
    #[error("a statement exceeded a time limit; make it smaller or raise the limit")]
    Timeout,

    /// An earlier statement of this unit failed, or its caller was cancelled. The unit can only be rolled back, as a
    /// whole or to a savepoint. Nothing was committed.
    #[error("an earlier statement of this unit failed; roll the unit back and run it again")]
    UnitFailed,

    /// The transaction lost against a concurrent one (serialisation failure, deadlock, busy file). Run the unit again.
    #[error("the transaction lost against a concurrent one; run the unit again")]
    Contention,

    /// The connection broke, or the server did not answer in time, before the commit. Nothing was changed. Run the unit
    /// again.
    #[error("the connection to the database broke before the commit; run the unit again")]
    ConnectionLost(#[source] Fault),

    /// The connection broke, or the server did not answer in time, during the commit. Whether the change took effect is
    /// unknown: read before you retry.
    #[error("the connection broke during the commit: whether it took effect is unknown; read before trying again")]
    OutcomeUnknown(#[source] Fault),

    /// Any other error that the database reports.
    #[error("cannot read or write the database: {}", .0.with_remedy())]
    Database(#[source] Fault),
}

impl Error {
    /// Returns whether running the whole unit again is safe and may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Contention | Self::ConnectionLost(_))
    }

    /// Converts the error of a connection that could not be made or did not answer. Nothing was changed.
    pub(crate) fn unreachable(error: impl Into<Arc<sqlx::Error>>) -> Self {
        Self::ConnectionLost(Fault(DbErr::Conn(RuntimeErr::SqlxError(error.into()))))
    }

    /// Converts an error of `COMMIT`. If it ended the connection, the commit may have taken effect. A read-only server
    /// committed nothing.
    #[must_use]
    pub fn during_commit(error: DbErr) -> Self {
        match driver_error(&error) {
            Some(driver) if ends_connection(driver) && !is_read_only_server(driver) => {
                Self::OutcomeUnknown(Fault(error))
            }
            _ => error.into(),
        }
    }

    /// Converts an error of `COMMIT` or of what was sent with it. Unless the error refuses the commit, the commit may
    /// have taken effect.
    #[must_use]
    pub fn during_commit_or_behind(error: DbErr) -> Self {
        match Self::during_commit(error) {
            Self::ConnectionLost(fault) | Self::Database(fault) => Self::OutcomeUnknown(fault),
            Self::Timeout => Self::OutcomeUnknown(Fault(DbErr::Custom("a time limit".to_owned()))),
            other => other,
        }
    }
}

fn constraint_suffix(constraint: Option<&str>) -> String {
    constraint.map(|name| format!(" ({name})")).unwrap_or_default()
}

/// An error of the driver, displayed without values of parameters.
pub struct Fault(DbErr);

impl Fault {
    /// Returns whether the server did not answer at all.
    pub(crate) fn is_silence(&self) -> bool {
        driver_error(&self.0).is_some_and(is_silence)
    }

    /// Returns the server's reason without values, its SQLSTATE (or SQLite's code) and the remedy of the known cases.
    #[must_use]
    pub fn with_remedy(&self) -> String {
        driver_error(&self.0).map_or_else(|| self.to_string(), |error| Reason(error).with_remedy())
    }

    /// Returns whether no unique index has the columns of an `ON CONFLICT`. SQLite has no code for that.
    #[must_use]
    pub fn lacks_unique(&self) -> bool {
        let Some(sqlx::Error::Database(error)) = driver_error(&self.0) else { return false };
        error.code().as_deref() == Some("42P10") || error.message().starts_with("ON CONFLICT clause does not match")
    }

    /// Returns whether the database reported one of these codes.
    #[must_use]
    pub fn has_code(&self, codes: &[&str]) -> bool {
        let Some(sqlx::Error::Database(error)) = driver_error(&self.0) else { return false };
        error.code().is_some_and(|code| codes.contains(&&*code))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match driver_error(&self.0) {
            Some(error) => write!(f, "{}", Reason(error)),
            None if matches!(self.0, DbErr::Type(_)) => write!(f, "a column contains an unexpected value"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}

impl std::error::Error for Fault {}

pub(crate) fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => Some(e),
        _ => None,
    }
}

impl From<InvalidAddress> for Error {
    fn from(InvalidAddress { what, reason }: InvalidAddress) -> Self {
        Self::Invalid { what, reason }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        DbErr::Query(RuntimeErr::SqlxError(error.into())).into()
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        use sqlx::Error as Sqlx;
        match driver_error(&error) {
            Some(Sqlx::Database(cause)) => match from_report(&**cause) {
                Some(known) => known,
                None if is_loss(&**cause) => Self::ConnectionLost(Fault(error)),
                None => Self::Database(Fault(error)),
            },
            Some(driver) if ends_connection(driver) => Self::ConnectionLost(Fault(error)),
            _ if matches!(&error, DbErr::Type(text) if text == UNSTORABLE) => Self::Invalid {
                what: "a value",
                reason: "text must not contain a NUL character, and JSON must not be nested deeper than 100 levels",
            },
            _ if matches!(&error, DbErr::Type(text) if text == UNSTORABLE_TIME) => {
                Self::Invalid { what: "a time", reason: "its year must be 1 to 9999, and it must not be a leap second" }
            }
            _ if matches!(&error, DbErr::Type(text) if text == READ_ONLY) => {
                Self::Invalid { what: "a write", reason: "the unit was opened read-only" }
            }
            _ if matches!(&error, DbErr::Type(text) if text == BROKEN) => Self::UnitFailed,
            _ if matches!(&error, DbErr::Type(text) if text == SAVEPOINT_ENDED) => Self::Invalid {
                what: "the savepoint",
                reason: "an outer savepoint has ended, which ended this one too",
            },
            _ => Self::Database(Fault(error)),
        }
    }
}

/// Converts an error that the database reports; `None` if a caller cannot act on it.
fn from_report(report: &dyn sqlx::error::DatabaseError) -> Option<Error> {
    use sqlx::error::ErrorKind;
    let code = report.code().unwrap_or_default();
    match report.kind() {
        ErrorKind::UniqueViolation => {
            let (entity, field) = cached(report);
            return Some(Error::Conflict { entity, field });
        }
        ErrorKind::ForeignKeyViolation => {
            return Some(Error::Reference { constraint: report.constraint().map(str::to_owned) });
        }
        ErrorKind::CheckViolation => return checked(report),
        _ => {}
    }
    match code.as_ref() {
        // SQLite reports a text that a trigger refuses, and `ON DELETE RESTRICT`, as a constraint of a trigger.
        "1811" if report.message().contains("is too long") => {
            Some(Error::Invalid { what: "a value", reason: "it does not fit the column" })
        }
        "1811" => Some(Error::Reference { constraint: None }),
        // PostgreSQL 18 and later; before, a foreign key violation.
        "23001" => Some(Error::Reference { constraint: report.constraint().map(str::to_owned) }),
        // PostgreSQL: https://www.postgresql.org/docs/15/errcodes-appendix.html
        // SQLite, BUSY and LOCKED with their extended codes: https://www.sqlite.org/rescode.html
        "40001" | "40P01" | "5" | "6" | "261" | "262" | "517" | "773" => Some(Error::Contention),
        "55P03" | "57014" => Some(Error::Timeout),
        "22001" | "22003" | "22008" | "22021" | "22P02" | "22P05" => {
            Some(Error::Invalid { what: "a value", reason: "it does not fit the column" })
        }
        _ => None,
    }
}

/// Returns whether the connection is unusable after this error: it broke, the server ended it, or the server became
/// read-only.
pub(crate) fn ends_connection(error: &sqlx::Error) -> bool {
    use sqlx::Error as Sqlx;
    match error {
        Sqlx::Io(_) | Sqlx::Tls(_) | Sqlx::Protocol(_) | Sqlx::WorkerCrashed | Sqlx::PoolClosed => true,
        Sqlx::Database(report) => is_loss(&**report) || is_fatal(&**report),
        _ => false,
    }
}

/// Returns whether a server, or a pooler in front of it, reports that the connection to the primary is lost.
/// PostgreSQL: <https://www.postgresql.org/docs/15/errcodes-appendix.html>. A pooler reports a lost server as `08P01`.
fn is_loss(report: &dyn sqlx::error::DatabaseError) -> bool {
    let code = report.code().unwrap_or_default();
    let known = matches!(
        code.as_ref(),
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04" | READ_ONLY_SERVER | "40003"
    );
    // Errors that refuse a session at its start are fatal, too: login, database, settings.
    let resources = ["53", "57", "58", "XX"].iter().any(|class| code.starts_with(class));
    known || code.starts_with("08") || (resources && is_fatal(report))
}

/// Returns whether the error ended the session.
fn is_fatal(report: &dyn sqlx::error::DatabaseError) -> bool {
    let postgres = report.try_downcast_ref::<PgDatabaseError>();
    postgres.is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

const READ_ONLY_SERVER: &str = "25006";

/// Returns whether the server refused a write as read-only. In a unit that may write, this means that the server is no
/// longer a primary.
pub(crate) fn is_read_only_server(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some(READ_ONLY_SERVER)
}

/// Returns table and columns of a unique constraint: from the name `Table_column_key`, or SQLite's message. Without the
/// tenant, which leads the index of a service's table.
fn cached(report: &dyn sqlx::error::DatabaseError) -> (String, String) {
    let without_tenant = |columns: String| columns.strip_prefix("tenantId_").map(str::to_owned).unwrap_or(columns);
    if let Some((table, column)) = report.constraint().and_then(|name| name.split_once('_')) {
        return (table.to_owned(), without_tenant(column.trim_end_matches("_key").replace("pkey", "id")));
    }
    let columns = report.message().rsplit(": ").next().unwrap_or_default();
    let table = columns.split('.').next().unwrap_or("row");
    let fields: Vec<_> =
        columns.split(", ").filter_map(|column| column.split_once('.').map(|(_, field)| field)).collect();
    (table.to_owned(), without_tenant(fields.join("_")))
}

/// Returns table and column of a check, from its name `Table_column_check`; `None` for a check with another name.
fn checked(report: &dyn sqlx::error::DatabaseError) -> Option<Error> {
    // SQLite names the constraint in its message only: `CHECK constraint failed: Note_state_check`.
    let name = report.constraint().or_else(|| report.message().rsplit(": ").next())?;
    let (table, column) = match report.table() {
        Some(table) => (table, name.strip_prefix(table)?.strip_prefix('_')?.strip_suffix("_check")?),
        None => name.strip_suffix("_check")?.rsplit_once('_')?,
    };
    Some(Error::Check { table: table.to_owned(), column: column.to_owned() })
}

/// Texts by which [`Error`] recognises a statement that was refused before it was sent.
pub(crate) const READ_ONLY: &str = "a write in a read-only unit";
pub(crate) const BROKEN: &str = "a unit in which a statement failed";
pub(crate) const SAVEPOINT_ENDED: &str = "a savepoint that has ended";
/// A time outside the years that both engines store and sort.
pub(crate) const UNSTORABLE_TIME: &str = "a time outside the years 1 to 9999";
/// A value that cannot be stored, or not be read back.
pub(crate) const UNSTORABLE: &str = "a text with a NUL character, or JSON nested too deep";
