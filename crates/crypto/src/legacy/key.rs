//! The platform's `ENCRYPTION_KEY`.

use ring::digest::{SHA256, digest};
use zeroize::Zeroize;

use crate::{Error, Result, Secret};

const LENGTH: usize = 32;

/// The platform's `ENCRYPTION_KEY` for tokens. Opens both encrypted legacy forms and writes the later one.
#[derive(Debug)]
pub struct LegacyKey {
    /// `None` if node would have rejected the key.
    cbc: Option<Secret<[u8; LENGTH]>>,
    gcm: Secret<[u8; LENGTH]>,
}

impl LegacyKey {
    /// Takes the key as the platform has it in its environment.
    ///
    /// Fails with [`Error::LegacyKeyTooShort`] if it has fewer than 32 characters (UTF-16 units, as JavaScript counts),
    /// as the platform does. A key whose first 32 characters are not 32 bytes is accepted but opens no AES-256-CBC
    /// value: node threw on it.
    pub fn new(encryption_key: &Secret<String>) -> Result<Self> {
        let text = encryption_key.expose();
        if text.encode_utf16().take(LENGTH).count() < LENGTH {
            return Err(Error::LegacyKeyTooShort);
        }
        let mut hashed = [0; LENGTH];
        hashed.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        let key = Self { cbc: first_characters(text), gcm: Secret::new(hashed) };
        hashed.zeroize();
        Ok(key)
    }

    /// Returns the first 32 characters as bytes.
    pub(super) fn for_cbc(&self) -> Result<&[u8; LENGTH]> {
        self.cbc.as_ref().map(Secret::expose).ok_or(Error::LegacyKeyNotForCbc)
    }

    /// Returns SHA-256 of the whole text.
    pub(super) const fn for_gcm(&self) -> &[u8; LENGTH] {
        self.gcm.expose()
    }
}

/// Returns the first 32 UTF-16 units. They are 32 bytes of UTF-8 only if all are ASCII.
fn first_characters(text: &str) -> Option<Secret<[u8; LENGTH]>> {
    let first = text.as_bytes().first_chunk::<LENGTH>()?;
    first.is_ascii().then(|| Secret::new(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_as_javascript_does() {
        let key = |text: &str| LegacyKey::new(&text.into());
        assert!(matches!(key(&"k".repeat(31)), Err(Error::LegacyKeyTooShort)));
        assert!(matches!(key(&"ü".repeat(31)), Err(Error::LegacyKeyTooShort)));
        assert!(key(&"k".repeat(32)).is_ok());
        // Each of these is two UTF-16 units.
        assert!(key(&"🔑".repeat(16)).is_ok());
    }

    #[test]
    fn a_key_that_node_rejects_for_cbc_opens_only_gcm() {
        let late = LegacyKey::new(&Secret::from(format!("{}ü", "k".repeat(32)))).unwrap();
        let early = LegacyKey::new(&Secret::from(format!("ü{}", "k".repeat(32)))).unwrap();

        assert_eq!(late.for_cbc().unwrap(), &[b'k'; 32]);
        assert!(matches!(early.for_cbc(), Err(Error::LegacyKeyNotForCbc)));
    }
}
