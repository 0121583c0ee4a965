//! The public name of a key.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, random};

/// 32 characters, so that five random bits choose one. Characters that are easily misread are excluded.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The name of a key: 1 to 32 characters of `a-z`, `0-9` and `-`. Not secret: every envelope contains it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(String);

impl KeyId {
    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Generates twelve characters: 60 random bits.
    pub(crate) fn random() -> Result<Self> {
        let bytes: [u8; 12] = random::array()?;
        Ok(Self(bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).iter().collect()))
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        is_key_id(text).then(|| Self(text.to_owned())).ok_or(Error::BadKeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

pub(crate) fn is_key_id(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_valid_and_distinct() {
        let ids = [(); 100].map(|()| KeyId::random().unwrap());
        for id in &ids {
            assert_eq!(id.as_str().parse::<KeyId>().unwrap(), *id);
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1);
        }
    }

    #[test]
    fn foreign_characters_and_lengths_are_refused() {
        let long = "a".repeat(33);
        for text in ["", "A", "a.b", "a b", "ä", "a\n", long.as_str()] {
            assert!(matches!(text.parse::<KeyId>(), Err(Error::BadKeyId)), "{text}");
        }
    }
}
