//! What the platform wrote before: AES-256-CBC, then AES-256-GCM with a nonce of 16 bytes, both as hexadecimal.
//!
//! The only place for ciphers that ring does not have.

mod cbc;
mod gcm;
mod key;

use crate::{Result, Secret, StoredForm};

pub use key::LegacyKey;

/// Hexadecimal digits of an initialisation vector, of a block and of a tag: all have 16 bytes.
const BLOCK: usize = 32;

/// Which forms from before a column still accepts. None, unless said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LegacyForms {
    /// `ivhex:cthex`, AES-256-CBC. It authenticates nothing: who can write to the column can change what it opens to.
    pub cbc: bool,
    /// `ivhex:taghex:cthex`, AES-256-GCM.
    pub gcm: bool,
    /// Any text that is in none of the other forms.
    pub plain: bool,
}

impl LegacyForms {
    /// Every form, as in a database that was just adopted.
    pub const ALL: Self = Self { cbc: true, gcm: true, plain: true };
    /// Only what this crate sealed.
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

    /// Writes `ivhex:taghex:cthex` as the platform does, so that it can read it.
    pub(crate) fn seal_gcm(&self, secret: &Secret<String>) -> Result<String> {
        gcm::seal(self.for_gcm(), secret)
    }
}

/// The form of a text that begins as both ciphers' do, with 32 hexadecimal digits and a colon. Such a text is
/// never plain: if what follows is not as node wrote it, it is damaged. `None` for every other text.
pub(crate) fn form_of(text: &str) -> Option<StoredForm> {
    let (vector, rest) = text.split_once(':')?;
    if vector.len() != BLOCK || !is_hex(vector) {
        return None;
    }
    let form = match rest.split_once(':') {
        None if is_hex(rest) && !rest.is_empty() && rest.len() % BLOCK == 0 => StoredForm::LegacyCbc,
        // Nothing encrypted gives nothing: the third part may be empty.
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
