//! Reading the name of a key, and making one.

use std::str::FromStr;

use super::key_id::{KeyId, is_key_id};
use crate::{Error, Result, random};

/// 32 letters, so that five bits of chance choose one; none that is easily misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl KeyId {
    /// Twelve characters: 60 bits.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_is_an_id_and_never_the_same() {
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
