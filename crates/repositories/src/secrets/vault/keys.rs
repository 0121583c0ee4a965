//! The keys and policies of a store.

use std::sync::Arc;

use rylie_crypto::{Keyring, LegacyKey};

use super::policy::SecretPolicies;

/// The keys that a store seals and opens secrets with, and the policies of its columns.
#[derive(Debug)]
pub struct Keys {
    pub(super) keyring: Arc<Keyring>,
    pub(super) legacy: Option<LegacyKey>,
    pub(super) policies: SecretPolicies,
}

impl Keys {
    /// Creates keys with the default policies. With the old service's key, values in its ciphers' forms can be opened
    /// and written.
    #[must_use]
    pub fn new(keyring: Keyring, legacy: Option<LegacyKey>) -> Self {
        Self { keyring: Arc::new(keyring), legacy, policies: SecretPolicies::default() }
    }

    /// Replaces the policies.
    #[must_use]
    pub fn with_policies(self, policies: SecretPolicies) -> Self {
        Self { policies, ..self }
    }

    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }
}
