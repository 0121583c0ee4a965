//! What can go wrong when a database is opened or prepared.

use std::collections::BTreeMap;

use rylie_crypto::KeyId;

/// The result of the facade's calls.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. No message holds a password or another secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is wrong.
    #[error("the setting {setting}: {reason}")]
    Config {
        /// Its name, or the file's.
        setting: String,
        /// What it must be.
        reason: String,
    },

    /// The database does not answer, or refuses the login.
    #[error("connecting to {url}; check the address, the login, and that the database exists")]
    Connect {
        /// The address, its password masked.
        url: String,
        /// Why.
        #[source]
        source: rylie_repositories::Error,
    },

    /// The keyring or the old service's key cannot be used.
    #[error("reading the keys; see `keyring` and `encryption_key` in the configuration")]
    Keys(#[source] rylie_crypto::Error),

    /// A key is not one that can be destroyed: it is the active one, unknown, or destroyed already.
    #[error(transparent)]
    NotToDestroy(rylie_crypto::Error),

    /// A key is not destroyed while values are under it.
    #[error("the key {key} still seals {}; run `rylie keys reencrypt`, and look with `rylie keys report`", in_words(.columns))]
    KeyInUse {
        /// The key.
        key: KeyId,
        /// How many values are under it, by table and column.
        columns: BTreeMap<String, u64>,
    },

    /// A key is not destroyed while a backup needs it.
    #[error(
        "the backup {backup} holds values under the key {key}; remove it with `rylie backup prune`, or keep the key"
    )]
    KeyInBackup {
        /// The key.
        key: KeyId,
        /// The id of the newest backup that needs it.
        backup: String,
    },

    /// A migration, an adoption or a guard.
    #[error(transparent)]
    Migration(Box<rylie_migration::Error>),

    /// A job.
    #[error(transparent)]
    Maintenance(#[from] rylie_maintenance::Error),

    /// Reading or writing data.
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
    /// Whether a guard refused, with nothing changed: a production mark, a database that is not ours or not the base, a
    /// tenant's file that reaches beyond its tenant, or a key that is in use.
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
                | Maintenance::BackupRefused { .. },
            )
            | Self::Repository(rylie_repositories::Error::ForeignFile)
            | Self::KeyInUse { .. }
            | Self::KeyInBackup { .. }
            | Self::NotToDestroy(rylie_crypto::Error::KeyIsActive { .. }) => true,
            _ => false,
        }
    }
}

fn in_words(columns: &BTreeMap<String, u64>) -> String {
    let columns = columns.iter().map(|(column, values)| format!("{values} of {column}"));
    columns.collect::<Vec<_>>().join(", ")
}
