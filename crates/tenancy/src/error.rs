//! What can go wrong in a unit of work.

use std::time::Duration;

use rylie_connection::{Error as ConnectionError, Fault, Holder, Retryable};
use rylie_entities::{InvalidId, TaskType, UnknownLabel};
use sea_orm::DbErr;

/// The result of every repository and unit of work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. No message holds the value of a parameter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such row, or it is another tenant's: the caller is not told which.
    #[error("no such {entity}")]
    NotFound {
        /// The table's name.
        entity: &'static str,
    },

    /// A unique value is taken, possibly by another tenant.
    #[error("another {entity} has this {field}; choose a different one")]
    Conflict {
        /// The table's name.
        entity: String,
        /// The columns of the constraint.
        field: String,
    },

    /// The row names one that does not exist, or is itself named by others.
    #[error("a reference does not hold{}; check that what it names exists, or remove what names it first", constraint_suffix(.constraint.as_deref()))]
    Reference {
        /// The foreign key; SQLite does not tell.
        constraint: Option<String>,
    },

    /// An input that cannot be stored or asked for.
    #[error("{what} is not acceptable: {reason}")]
    Invalid {
        /// Which input.
        what: &'static str,
        /// What it must be.
        reason: &'static str,
    },

    /// The user's package allows no more of this in the billing period under way. Nothing was counted.
    #[error(
        "the package allows {limit} of {kind} in a billing period, and they are used; wait for the next period or change the package"
    )]
    QuotaExceeded {
        /// The kind of work.
        kind: TaskType,
        /// What the package allows; zero without a package.
        limit: u32,
    },

    /// The signed-in user's role does not allow it.
    #[error("this role may not {action}")]
    Forbidden {
        /// What was attempted.
        action: &'static str,
    },

    /// The login may not take the role `rylie_sealer`, or there is none yet. Nothing was changed.
    #[error(
        "this login may not seal, remove or erase audit records; run this with a login of `rylie roles provision --sealer NAME`, or \
         as the tables' owner; if the role rylie_sealer does not exist, run `rylie migrate deploy` as somebody who may create roles"
    )]
    MayNotSeal,

    /// The service's login may take the roles of tenant and identity units alone. Nothing was sent.
    #[error(
        "this login is for tenant and identity units alone; name another one for the platform in RYLIE_PLATFORM_URL"
    )]
    NoPlatform,

    /// The database is marked as production, or has no mark, and this would destroy data. Nothing was changed.
    #[error("this database is marked as production; nothing was changed: first change its mark, with a reason")]
    Protected,

    /// A SQLite file with tables of which none is ours. Nothing was written to it.
    #[error("this file belongs to another application, and nothing was written to it; name another file")]
    ForeignFile,

    /// The pool had no connection to give in time.
    #[error(
        "no connection within {waited:.1?}: {in_use} of {size} are in use and {waiting} more callers wait{}; close units \
         sooner or raise `max_connections`", holders(.longest)
    )]
    PoolExhausted {
        /// How long the caller waited.
        waited: Duration,
        /// The size of the pool.
        size: u32,
        /// How many connections are in use by units.
        in_use: usize,
        /// How many other callers wait for a connection.
        waiting: usize,
        /// Who has held a connection for the longest time, the longest first; three at most.
        longest: Vec<Holder>,
    },

    /// The database ended a statement that took, or waited for a lock, too long.
    #[error("a statement ran into a time limit; make it smaller or raise the limit")]
    Timeout,

    /// A statement of this unit failed before, or its caller was cancelled: the unit can only be rolled back, as a whole
    /// or to a savepoint. Nothing of it was committed.
    #[error("a statement of this unit failed before, so it cannot go on; roll it back and run it again")]
    UnitFailed,

    /// The transaction lost against another one (serialisation, deadlock, a busy file). Run the unit again.
    #[error("the transaction lost against another one; run the unit again")]
    Contention,

    /// The connection broke, or the server did not answer in time, before the unit was committed: nothing was changed. Run the
    /// unit again.
    #[error("the connection to the database broke before the commit; run the unit again")]
    ConnectionLost(#[source] Fault),

    /// The connection broke, or the server did not answer in time, during the commit: the change was made, or it was not. Read before you try again.
    #[error("the connection broke during the commit: whether it took effect is unknown; read before trying again")]
    OutcomeUnknown(#[source] Fault),

    /// A secret is to be sealed or opened, and the store has no keyring.
    #[error("there is no keyring; make one with `rylie keys generate` and name it in RYLIE_KEYRING")]
    NoKeyring,

    /// A secret cannot be sealed or opened.
    #[error("sealing or opening a secret")]
    Secret(#[from] rylie_crypto::Error),

    /// A checkpoint, a key or a proof of the audit log.
    #[error(transparent)]
    Audit(#[from] rylie_audit::Error),

    /// Anything else the database reports.
    #[error("reading or writing the database")]
    Database(#[source] Fault),
}

impl Error {
    /// Whether running the whole unit again is safe and may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Contention | Self::ConnectionLost(_))
    }

    /// Says that a missing parent row is a missing row: the caller learns nothing about other tenants.
    #[must_use]
    pub fn reference_is_missing(self, entity: &'static str) -> Self {
        match self {
            Self::Reference { .. } => Self::NotFound { entity },
            other => other,
        }
    }

    /// Says that a row made by another unit in the meantime is a reason to run this one again.
    #[must_use]
    pub fn conflict_is_contention(self) -> Self {
        match self {
            Self::Conflict { .. } => Self::Contention,
            other => other,
        }
    }

    /// The same error, met while taking a role: forbidden, or there is no such role.
    pub(crate) fn of_role(self) -> Self {
        match &self {
            Self::Database(fault) if fault.has_code(&["42501", "22023", "42704"]) => Self::MayNotSeal,
            _ => self,
        }
    }
}

fn holders(longest: &[Holder]) -> String {
    let held: Vec<_> = longest.iter().map(ToString::to_string).collect();
    if held.is_empty() { String::new() } else { format!(", the longest holders being {}", held.join(", ")) }
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
            ConnectionError::Invalid { what, reason } => Self::Invalid { what, reason },
            ConnectionError::NoPlatform => Self::NoPlatform,
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
