//! Secrets in columns: sealed, opened, walked over.

mod secret_values;
pub(crate) mod vault;

pub use secret_values::{SecretSurvey, SecretValueRepository, SecretsReencrypted, UnreadableSecret};
pub use vault::{Keys, NewValues, OpenedTokens, SecretColumn, SecretPolicies, SecretPolicy};

#[cfg(feature = "mock")]
pub use secret_values::MockSecretValueRepository;
