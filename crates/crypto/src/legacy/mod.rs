//! The platform's legacy forms: AES-256-CBC, and AES-256-GCM with a nonce of 16 bytes, both as hexadecimal.
//!
//! Only this module uses ciphers that ring does not have.

mod cbc;
mod gcm;
mod key;

use crate::{Result, Secret, StoredForm};

pub use key::LegacyKey;

/// Hexadecimal digits of an initialisation vector, a block or a tag: each has 16 bytes.
const BLOCK: usize = 32;

/// The legacy forms that a column still accepts. None by default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LegacyForms {
    /// `ivhex:cthex`, AES-256-CBC. It is not authenticated: a writer of the column can change the opened value.
    pub cbc: bool,
    /// `ivhex:taghex:cthex`, AES-256-GCM.
    pub gcm: bool,
    /// Any text in none of the other forms.
    pub plain: bool,
}

impl LegacyForms {
    /// Every form, as in a newly adopted database.
    pub const ALL: Self = Self { cbc: true, gcm: true, plain: true };
    /// Only envelopes of this crate.
    pub const NONE: Self = Self { cbc: false, gcm: false, plain: false };
}

impl LegacyKey {
    /// Opens `ivhex:cthex`.
    pub(crate) fn open_cbc(&self, text: &str) -> Result<Secret<String>> {
        cbc::open(self.for_cbc()?, text)
    }

    /// Opens `ivhex:taghex:cthex`.
    pub(crate) fn open_gcm(&self, text: &str) -> Result<Secret<String>> {
        gcm::open(self.for_gcm(), text)
    }

    /// Writes `ivhex:taghex:cthex` as the platform does, so that the old service can read it.
    pub(crate) fn seal_gcm(&self, secret: &Secret<String>) -> Result<String> {
        gcm::seal(self.for_gcm(), secret)
    }
}

/// Returns the form of a text that begins with 32 hexadecimal digits and a colon, as both ciphers do. Such a text is
/// never plain: if the rest is not in node's form, it is damaged. Returns `None` for every other text.
pub(crate) fn form_of(text: &str) -> Option<StoredForm> {
    let (vector, rest) = text.split_once(':')?;
    if vector.len() != BLOCK || !is_hex(vector) {
        return None;
    }
    let form = match rest.split_once(':') {
        None if is_hex(rest) && !rest.is_empty() && rest.len() % BLOCK == 0 => StoredForm::LegacyCbc,
        // The ciphertext of an empty value is empty, so the third part may be empty.
        Some((tag, text)) if tag.len() == BLOCK && is_hex(tag) && is_hex(text) && text.len() % 2 == 0 => {
            StoredForm::LegacyGcm
        }
        _ => StoredForm::Damaged,
    };
    Some(form)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
