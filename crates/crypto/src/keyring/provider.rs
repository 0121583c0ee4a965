//! Keys that are wrapped by another key, such as a KMS key.

use crate::{Binding, KeyId, Keyring, Padding, ProviderError, Secret};

/// Wraps and unwraps a keyring's keys under the provider's key: a KMS, an HSM, or another [`Keyring`].
///
/// Called for each key when a keyring is read or written, never when a value is sealed or opened. It may block on the
/// network, so read keyrings at start, or off the async runtime's threads.
pub trait KeyProvider: Send + Sync {
    /// Encrypts a key under the provider's key. The id must be authenticated with it.
    fn wrap_key(&self, id: &KeyId, key: &Secret<[u8; 32]>) -> Result<Vec<u8>, ProviderError>;

    /// Reverses [`KeyProvider::wrap_key`], for the same id only.
    fn unwrap_key(&self, id: &KeyId, wrapped: &[u8]) -> Result<Secret<Vec<u8>>, ProviderError>;
}

/// A keyring wraps another's keys as it seals any value. The file of keys can thus be protected by one key stored
/// elsewhere.
impl KeyProvider for Keyring {
    fn wrap_key(&self, id: &KeyId, key: &Secret<[u8; 32]>) -> Result<Vec<u8>, ProviderError> {
        let sealed = self.seal(key, &place(id), Padding::None)?;
        Ok(sealed.into_text().into_bytes())
    }

    fn unwrap_key(&self, id: &KeyId, wrapped: &[u8]) -> Result<Secret<Vec<u8>>, ProviderError> {
        let sealed = crate::Sealed::parse(std::str::from_utf8(wrapped)?)?;
        Ok(self.open_bytes(&sealed, &place(id))?)
    }
}

fn place(id: &KeyId) -> Binding<'_> {
    Binding::new("keyring", "key", id.as_str(), "")
}
