//! Errors of a unit of work.

use std::time::Duration;

use rylie_connection::{Error as ConnectionError, Fault, Holder, Retryable};
use rylie_entities::{InvalidId, TaskType, UnknownLabel};
use sea_orm::DbErr;

/// The result of every repository and unit of work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a unit of work. No message contains the value of a parameter.
///
/// # Errors of every call
///
/// A method names only the errors of its own. These may come from every call that sends a statement:
///
/// - [`ConnectionLost`](Self::ConnectionLost): the connection broke, or the server did not answer in time.
/// - [`Contention`](Self::Contention): a concurrent transaction was first.
/// - [`Timeout`](Self::Timeout): the statement ran, or waited for a lock, longer than its limit.
/// - [`UnitFailed`](Self::UnitFailed): an earlier statement of the unit failed, or its caller was cancelled.
/// - [`Invalid`](Self::Invalid): a write in a read-only unit, or a value that the database cannot store. Examples are a
///   text with a NUL character, JSON nested deeper than 100 levels, and a time outside the years 1 to 9999.
/// - [`Database`](Self::Database): any other report of the database, such as a missing right or a full disk.
///
/// Some kinds of calls share an error:
///
/// | call | fails with |
/// |---|---|
/// | the opening of a unit | [`PoolExhausted`](Self::PoolExhausted) without a free connection in time |
/// | the opening of a platform or operations unit | [`NoPlatform`](Self::NoPlatform) if the login serves none |
/// | a call with a [`Cursor`](crate::Cursor) | [`Invalid`](Self::Invalid) if the cursor is another list's or changed |
/// | sealing a secret | [`NoKeyring`](Self::NoKeyring); [`Secret`](Self::Secret) if the keys do not fit the column |
/// | opening a secret | [`NoKeyring`](Self::NoKeyring); [`Secret`](Self::Secret) if the value does not open |
/// | the commit | [`OutcomeUnknown`](Self::OutcomeUnknown) if the connection breaks during it |
///
/// A unit that begins with its first statement reports the errors of the opening there. On SQLite the opening of a unit
/// that may write fails with [`Contention`](Self::Contention) if another writer does not end in time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The row does not exist, or belongs to another tenant; the error does not reveal which.
    #[error("no such {entity}")]
    NotFound {
        /// The table's name.
        entity: &'static str,
    },

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

    /// An input that cannot be stored or queried.
    #[error("{what} is not acceptable: {reason}")]
    Invalid {
        /// Which input.
        what: &'static str,
        /// What it must be.
        reason: &'static str,
    },

    /// A fault of the service or of its stored data; no input of the caller causes it.
    #[error("{what} cannot be used: {reason}")]
    Internal {
        /// The faulty part.
        what: &'static str,
        /// The fault, and the remedy.
        reason: &'static str,
    },

    /// A value does not fit a column of its table, or the call may not set it. The message contains no value.
    #[error("column {column} of table {table} is not acceptable: {reason}")]
    InvalidColumn {
        /// The table's name.
        table: String,
        /// The column's name. That of a row from outside is shortened and has no control characters.
        column: String,
        /// What it must be.
        reason: &'static str,
    },

    /// The user's package allows no more of this in the current billing period. Nothing was counted.
    #[error(
        "the package allows {limit} of {kind} in a billing period, and all are used; wait for the next period or change the package"
    )]
    QuotaExceeded {
        /// The kind of work.
        kind: TaskType,
        /// The package's limit; zero without a package.
        limit: u32,
    },

    /// The token or key is unknown, has expired, or belongs to no user; the error does not reveal which.
    #[error("not signed in; sign in and send the new token")]
    NotSignedIn,

    /// The idempotency key was used for another call. Nothing was changed.
    #[error("this idempotency key was used for another call; send a new key with each new call")]
    KeyReused,

    /// The signed-in user's role does not allow the action.
    #[error("this role may not {action}")]
    Forbidden {
        /// The attempted action.
        action: &'static str,
    },

    /// The login may not assume the role `rylie_sealer`, or the role does not exist. Nothing was changed.
    #[error(
        "this login may not seal, remove or erase audit records; run this with a login of `rylie roles provision --sealer NAME`, or \
         as the tables' owner; if the role rylie_sealer does not exist, run `rylie migrate deploy` with a login that may create roles"
    )]
    MayNotSeal,

    /// The service's login serves tenant and identity units only. Nothing was sent.
    #[error("this login serves tenant and identity units only; set RYLIE_PLATFORM_URL to a login for platform units")]
    NoPlatform,

    /// The operation would destroy data, and the environment marker says production or is missing. Nothing was changed.
    #[error(
        "this database is marked as production; nothing was changed: first run `rylie environment mark staging --reason TEXT`"
    )]
    Protected,

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

    /// A secret must be sealed or opened, and the store has no keyring.
    #[error("there is no keyring; set RYLIE_KEYRING to its path and create it with `rylie keys generate`")]
    NoKeyring,

    /// A secret could not be sealed or opened.
    #[error("cannot seal or open a secret: {0}")]
    Secret(#[from] rylie_crypto::Error),

    /// An error of a checkpoint, a key or a proof of the audit log.
    #[error(transparent)]
    Audit(#[from] rylie_audit::Error),

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

    /// Turns a missing parent row into a missing row, which reveals nothing about other tenants.
    #[must_use]
    pub fn reference_is_missing(self, entity: &'static str) -> Self {
        match self {
            Self::Reference { .. } => Self::NotFound { entity },
            other => other,
        }
    }

    /// Turns a conflict with a concurrently inserted row into contention, so that the unit runs again.
    #[must_use]
    pub fn conflict_is_contention(self) -> Self {
        match self {
            Self::Conflict { .. } => Self::Contention,
            other => other,
        }
    }

    /// Turns an error of assuming the sealer role (forbidden, or no such role) into [`Error::MayNotSeal`].
    pub(crate) fn of_role(self) -> Self {
        match &self {
            Self::Database(fault) if fault.has_code(&["42501", "22023", "42704"]) => Self::MayNotSeal,
            _ => self,
        }
    }
}

fn constraint_suffix(constraint: Option<&str>) -> String {
    constraint.map(|name| format!(" ({name})")).unwrap_or_default()
}

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        Self::is_retryable(self)
    }
}

impl From<InvalidId> for Error {
    fn from(_: InvalidId) -> Self {
        Self::Invalid { what: "the id", reason: "it must have 1 to 255 bytes and no control characters" }
    }
}

impl From<UnknownLabel> for Error {
    fn from(error: UnknownLabel) -> Self {
        Self::Invalid { what: error.of, reason: "it must be one of the labels of the database" }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        ConnectionError::from(error).into()
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Conflict { entity, field } => Self::Conflict { entity, field },
            ConnectionError::Reference { constraint } => Self::Reference { constraint },
            ConnectionError::Check { table, column } => {
                Self::InvalidColumn { table, column, reason: "a check of the table refuses the value" }
            }
            ConnectionError::Invalid { what, reason } => Self::Invalid { what, reason },
            ConnectionError::NoPlatform => Self::NoPlatform,
            // The code of `rylie_hold_session`.
            ConnectionError::Database(fault) if fault.has_code(&["RY401"]) => Self::NotSignedIn,
            ConnectionError::ForeignFile => Self::ForeignFile,
            ConnectionError::PoolExhausted { waited, size, in_use, waiting, longest } => {
                Self::PoolExhausted { waited, size, in_use, waiting, longest }
            }
            ConnectionError::Timeout => Self::Timeout,
            ConnectionError::UnitFailed => Self::UnitFailed,
            ConnectionError::Contention => Self::Contention,
            ConnectionError::ConnectionLost(fault) => Self::ConnectionLost(fault),
            ConnectionError::OutcomeUnknown(fault) => Self::OutcomeUnknown(fault),
            ConnectionError::Database(fault) => Self::Database(fault),
        }
    }
}
