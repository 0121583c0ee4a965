//! Secrets in columns: sealing, opening, re-encryption.

mod secret_values;
pub(crate) mod vault;

pub use secret_values::{SecretSurvey, SecretValueRepository, SecretsReencrypted, UnreadableSecret};
pub use vault::{Keys, NewValues, OpenedTokens, SecretColumn, SecretPolicies, SecretPolicy};

#[cfg(feature = "mock")]
pub use secret_values::MockSecretValueRepository;
