//! Secrets in columns: sealing, opening, re-encryption.

mod secret_values;
pub(crate) mod vault;

pub use secret_values::{SecretSurvey, SecretValueRepository, SecretsReencrypted, UnreadableSecret};
pub use vault::{Keys, NewValues, OpenedTokens, SecretColumn, SecretPolicies, SecretPolicy};
pub(crate) use vault::{Place, Vault};

#[cfg(feature = "mock")]
pub use secret_values::MockSecretValueRepository;
