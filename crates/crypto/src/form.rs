//! The forms in which a secret may be stored.

use std::fmt;

/// The form of a stored text, recognised by its syntax alone.
///
/// A text is never [`Plain`](Self::Plain), even if damaged, if it begins like an envelope or like one of the platform's
/// ciphers. An envelope begins with `rylie` and a digit, or with `rylie1.` except for one byte; a cipher begins with 32
/// hexadecimal digits and a colon.
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
