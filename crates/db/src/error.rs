//! Errors of opening or preparing a database.

use std::collections::BTreeMap;

use rylie_crypto::KeyId;

/// The result of the facade's calls.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the facade. No message contains a password or another secret.
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
    Keys(#[source] rylie_crypto::Error),

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

impl From<rylie_repositories::ConnectionError> for Error {
    fn from(error: rylie_repositories::ConnectionError) -> Self {
        Self::Repository(error.into())
    }
}

impl From<rylie_migration::Error> for Error {
    fn from(error: rylie_migration::Error) -> Self {
        Self::Migration(Box::new(error))
    }
}

impl Error {
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
            Self::Maintenance(Maintenance::BeyondTenant { .. } | Maintenance::SuperAdminInFile { .. })
            | Self::Repository(rylie_repositories::Error::ForeignFile)
            | Self::KeyInUse { .. }
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
