//! The text form of a sealed value; `docs/envelope-format.md` specifies it byte by byte.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::AES_256_GCM;

use crate::keyring::is_key_id;
use crate::{Error, Result};

pub(crate) const VERSION: &str = "rylie1";
const PREFIX: &str = "rylie1.";
/// The first characters of every version, followed by a digit.
const FAMILY: &str = "rylie";

pub(crate) const SALT: usize = 32;
pub(crate) const COMMITMENT: usize = 32;
pub(crate) const HEADER: usize = SALT + COMMITMENT;

/// A sealed value as stored. It opens only with its keyring, and only at its binding.
///
/// Each value has one spelling; [`Sealed::parse`] accepts no other. `Debug` prints only the key id.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Sealed(String);

impl Sealed {
    /// Parses a stored envelope. Accepts only the exact form in which it was written. Fails with
    /// [`Error::NotAnEnvelope`] for another text.
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        split(&text)?;
        Ok(Self(text))
    }

    /// Returns the text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text to store.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// Returns the id of the key that sealed it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }

    /// Writes salt, commitment, ciphertext and tag as an envelope.
    pub(crate) fn write(key_id: &str, payload: &[u8]) -> Self {
        let length = PREFIX.len() + key_id.len() + 1 + payload.len().div_ceil(3) * 4;
        let mut text = String::with_capacity(length);
        text.push_str(PREFIX);
        text.push_str(key_id);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut text);
        Self(text)
    }

    /// Returns salt, commitment, ciphertext and tag.
    pub(crate) fn payload(&self) -> Result<Vec<u8>> {
        split(&self.0).map(|(_, payload)| payload)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({PREFIX}{}..)", self.key_id())
    }
}

/// Returns whether a text can only be an envelope, even a damaged one. It is true for texts that begin with `rylie`
/// and a digit, or with `rylie1.` with one byte changed. It is never read as plain text. (Keys of the
/// platform may begin with `rylie_` and the like.)
pub(crate) fn claims(text: &str) -> bool {
    let differing = text.bytes().zip(PREFIX.bytes()).filter(|(one, other)| one != other).count();
    let of_family = text
        .strip_prefix(FAMILY)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(|next: char| next.is_ascii_digit()));
    of_family || (text.len() >= PREFIX.len() && differing <= 1)
}

/// Returns the key id and the decoded payload of a well-formed envelope.
fn split(text: &str) -> Result<(&str, Vec<u8>)> {
    let malformed = |reason| Error::NotAnEnvelope { reason };
    let rest = text.strip_prefix(PREFIX).ok_or(malformed("it does not begin with rylie1."))?;
    let (key_id, payload) = rest.split_once('.').ok_or(malformed("its payload is missing"))?;
    if !is_key_id(key_id) {
        return Err(malformed("its key id is not 1 to 32 characters of a-z, 0-9 and -"));
    }
    // The decoder rejects padding, foreign characters and trailing bits, so each payload has one spelling.
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| malformed("its payload is not canonical base64url"))?;
    // A frame has at least its end mark.
    if payload.len() < HEADER + 1 + AES_256_GCM.tag_len() {
        return Err(malformed("it is truncated"));
    }
    Ok((key_id, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Sealed {
        Sealed::write("k1", &[0xa5; HEADER + 17])
    }

    #[test]
    fn a_written_envelope_parses() {
        let sealed = sealed();
        assert_eq!(Sealed::parse(sealed.as_str()).unwrap(), sealed);
        assert_eq!(sealed.payload().unwrap(), [0xa5; HEADER + 17]);
        assert_eq!(sealed.key_id(), "k1");
    }

    #[test]
    fn debug_prints_only_the_key_id() {
        assert_eq!(format!("{:?}", sealed()), "Sealed(rylie1.k1..)");
    }

    #[test]
    fn every_other_spelling_is_refused() {
        let text = sealed().into_text();
        let payload = text.rsplit('.').next().unwrap();
        let others = [
            String::new(),
            payload.to_owned(),
            format!(" {text}"),
            format!("{text}\n"),
            format!("{text}="),
            format!("{text}."),
            format!("{text}.{payload}"),
            text.replace("rylie1", "Rylie1"),
            text.replace("rylie1", "rylie2"),
            text.replace(".k1.", ".."),
            text.replace(".k1.", ".K1."),
            text.replace(".k1.", &format!(".{}.", "k".repeat(33))),
            text.replace(".k1.", "."),
            text.replacen('p', "+", 1),
        ];
        for other in others {
            assert!(matches!(Sealed::parse(&*other), Err(Error::NotAnEnvelope { .. })), "{other}");
        }
    }

    #[test]
    fn trailing_bits_are_refused() {
        // 82 bytes leave one symbol with two bits unused.
        let text = Sealed::write("k1", &[0; HEADER + 18]).into_text();
        assert!(Sealed::parse(&*text).is_ok());
        assert!(text.ends_with('A'));
        for last in ["B", "C", "D", "P"] {
            let text = format!("{}{last}", &text[..text.len() - 1]);
            assert!(Sealed::parse(text).is_err());
        }
    }

    #[test]
    fn a_damaged_prefix_is_still_an_envelope_and_other_texts_are_not() {
        for text in ["rylie1.k.x", "rylie2.k.x", "sylie1.k", "rylie1", "rylie", "Rylie1.", "rylie1/k"] {
            assert!(claims(text), "{text}");
        }
        for text in [
            "",
            "r",
            "ya29.token",
            "1//token",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
            "Rylie2.",
            "ylie1.k",
            "rylie_live_key",
            "rylie-key",
        ] {
            assert!(!claims(text), "{text}");
        }
    }
}
