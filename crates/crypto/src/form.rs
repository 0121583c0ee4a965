//! The forms in which a secret may be stored.

use std::fmt;

/// The form of a stored text, told by its shape alone.
///
/// A text that begins like an envelope (with `rylie` and a digit, or with `rylie1.` but for one byte) or like the platform's
/// ciphers (with 32 hexadecimal digits and a colon) is never [`Plain`](Self::Plain), however damaged the rest.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StoredForm {
    /// An envelope of this crate, well-formed.
    Sealed,
    /// The platform's `ivhex:cthex`, AES-256-CBC.
    LegacyCbc,
    /// The platform's `ivhex:taghex:cthex`, AES-256-GCM.
    LegacyGcm,
    /// None of the others, so text from before encryption.
    Plain,
    /// It begins as one of the ciphers' forms does and does not go on like it.
    Damaged,
}

impl fmt::Display for StoredForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sealed => "sealed",
            Self::LegacyCbc => "legacy-cbc",
            Self::LegacyGcm => "legacy-gcm",
            Self::Plain => "plain",
            Self::Damaged => "damaged",
        })
    }
}
