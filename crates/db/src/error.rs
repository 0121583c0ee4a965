//! What can go wrong when a database is opened or prepared.

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

impl From<rylie_migration::Error> for Error {
    fn from(error: rylie_migration::Error) -> Self {
        Self::Migration(Box::new(error))
    }
}

impl Error {
    /// Whether a guard refused, with nothing changed: a production mark, or a database that is not ours or not the base.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        use rylie_migration::Error as Migration;
        matches!(self, Self::Migration(error) if matches!(**error, Migration::Refused(_) | Migration::NotTheBase { .. }))
    }
}
