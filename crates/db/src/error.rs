//! Errors of opening or preparing a database.

use std::collections::BTreeMap;

use rylie_crypto::KeyId;
use rylie_entities::{InvalidId, UnknownLabel};
use rylie_repositories::Retryable;

/// The result of the facade's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the facade. No message contains a password or another secret.
///
/// # Errors of every call
///
/// A method names only the errors of its own. These may come from every call:
///
/// - [`Repository`](Self::Repository): a read or write of data failed, as
///   [every call of a unit](rylie_repositories::Error#errors-of-every-call) may.
/// - [`Maintenance`](Self::Maintenance): a job or a backup failed, as
///   [every call of a job](rylie_maintenance::Error#errors-of-every-call) may.
/// - [`Migration`](Self::Migration): a session of the migrations failed, or the setting `fingerprint` names another
///   database ([`WrongDatabase`](rylie_migration::Refusal::WrongDatabase)).
/// - [`Connect`](Self::Connect), in calls that connect: the database does not answer, or refuses the login.
/// - [`Config`](Self::Config), in calls that need a direct session: `behind_pooler` is set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong.
    #[error("the setting {setting}: {reason}")]
    Config {
        /// The name of the setting or the file.
        setting: String,
        /// Why it is wrong, or the required form.
        reason: String,
    },

    /// The database does not answer, or refuses the login. The message contains the server's reason, its SQLSTATE and a
    /// remedy.
    #[error("connecting to {url} failed: {}", reason(.source))]
    Connect {
        /// The address, its password masked.
        url: String,
        /// The cause.
        #[source]
        source: rylie_repositories::Error,
    },

    /// The keyring or the old service's key cannot be used.
    #[error("reading the keys; see `keyring` and `encryption_key` in the configuration")]
    Keys(#[from] rylie_crypto::Error),

    /// The key cannot be destroyed: it is active, unknown, or already destroyed.
    #[error(transparent)]
    NotToDestroy(rylie_crypto::Error),

    /// The key cannot be destroyed while values are under it.
    #[error("the key {key} still seals {}; run `rylie keys reencrypt`, and check with `rylie keys report`", in_words(.columns))]
    KeyInUse {
        /// The key.
        key: KeyId,
        /// Number of values under it, by table and column.
        columns: BTreeMap<String, u64>,
    },

    /// A key is not destroyed while a backup needs it.
    #[error("the backup {backup} needs the key {key}; remove it with `rylie backup prune`, or keep the key")]
    KeyInBackup {
        /// The key.
        key: KeyId,
        /// The id of the newest backup that needs it.
        backup: String,
    },

    /// No backup of the last day is proven.
    #[error(
        "refused: {reason}; run `rylie backup create --verify` with a login that sees every row (`rylie roles provision --backup NAME`, \
         `RYLIE_BACKUP_URL`), or add --without-backup: what is lost afterwards may then be lost for good"
    )]
    NoRecentBackup {
        /// Which backup is the newest proven one, or why there is none.
        reason: String,
    },

    /// The login may open units, and may not read which migrations are applied. Nothing was changed.
    #[error(
        "this login may not read which migrations are applied: {0}; `rylie roles provision --app NAME` creates a login that may"
    )]
    MayNotReadMigrations(#[source] Box<Self>),

    /// An error of a migration, an adoption or a guard.
    #[error(transparent)]
    Migration(Box<rylie_migration::Error>),

    /// An error of a job.
    #[error(transparent)]
    Maintenance(#[from] rylie_maintenance::Error),

    /// An error of reading or writing data.
    #[error(transparent)]
    Repository(#[from] rylie_repositories::Error),
}

/// Converts each error of a data call to [`Error::Repository`].
macro_rules! from_data {
    ($($error:ty),+) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Repository(error.into())
            }
        })+
    };
}
from_data!(rylie_repositories::ConnectionError, rylie_audit::Error, InvalidId, UnknownLabel);

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Repository(error) if error.is_retryable())
    }
}

impl From<rylie_migration::Error> for Error {
    fn from(error: rylie_migration::Error) -> Self {
        Self::Migration(Box::new(error))
    }
}

impl Error {
    /// Turns a missing right (SQLSTATE 42501) into [`Error::MayNotReadMigrations`].
    pub(crate) fn of_migrations_read(self) -> Self {
        use rylie_migration::Error as Migration;
        let forbidden = match &self {
            Self::Repository(rylie_repositories::Error::Database(fault)) => fault.has_code(&["42501"]),
            Self::Migration(error) => match &**error {
                Migration::Database { source, .. } => {
                    source.as_database_error().is_some_and(|report| report.code().as_deref() == Some("42501"))
                }
                _ => false,
            },
            _ => false,
        };
        if forbidden { Self::MayNotReadMigrations(Box::new(self)) } else { self }
    }

    /// Returns whether a guard refused and nothing was changed. Guards cover production markers, foreign databases or
    /// ones that are not the base, files that reach beyond their tenant, and keys in use.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        use rylie_maintenance::Error as Maintenance;
        use rylie_migration::Error as Migration;
        match self {
            Self::Migration(error) => matches!(**error, Migration::Refused(_) | Migration::NotTheBase { .. }),
            Self::Maintenance(Maintenance::Data { source, .. }) => {
                matches!(source, rylie_repositories::Error::Protected | rylie_repositories::Error::MayNotSeal)
            }
            Self::Maintenance(
                Maintenance::BeyondTenant { .. }
                | Maintenance::SuperAdminInFile { .. }
                | Maintenance::BackupRefused { .. }
                | Maintenance::PitrRefused { .. }
                | Maintenance::PitrNotReady { .. }
                | Maintenance::OutsideWindow { .. },
            )
            | Self::Repository(rylie_repositories::Error::ForeignFile)
            | Self::NoRecentBackup { .. }
            | Self::KeyInUse { .. }
            | Self::KeyInBackup { .. }
            | Self::NotToDestroy(rylie_crypto::Error::KeyIsActive { .. }) => true,
            _ => false,
        }
    }
}

/// Returns the reason of a failed connection, without values.
fn reason(source: &rylie_repositories::Error) -> String {
    use rylie_repositories::Error::{ConnectionLost, Database, OutcomeUnknown};
    match source {
        ConnectionLost(fault) | OutcomeUnknown(fault) | Database(fault) => fault.with_remedy(),
        other => other.to_string(),
    }
}

fn in_words(columns: &BTreeMap<String, u64>) -> String {
    let columns = columns.iter().map(|(column, values)| format!("{values} of {column}"));
    columns.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use rylie_entities::{RequestId, RequestStatus};

    use super::*;

    /// Parses external text as a caller does: each `?` converts another crate's error.
    fn parsed(id: &str, status: &str) -> Result<(RequestId, RequestStatus)> {
        Ok((id.parse()?, status.parse()?))
    }

    #[test]
    fn text_from_outside_becomes_invalid() {
        assert!(parsed("r", "PENDING").is_ok());
        for (id, status, message) in [
            ("", "PENDING", "the id is not acceptable: it must have 1 to 255 bytes and no control characters"),
            ("r", "pending", "RequestStatus is not acceptable: it must be one of the labels of the database"),
        ] {
            let error = parsed(id, status).unwrap_err();
            assert!(matches!(error, Error::Repository(rylie_repositories::Error::Invalid { .. })), "{error:?}");
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn an_error_is_retryable_if_that_of_the_data_call_is() {
        assert!(Error::from(rylie_repositories::Error::Contention).is_retryable());
        assert!(!Error::from(rylie_repositories::Error::UnitFailed).is_retryable());
    }
}
