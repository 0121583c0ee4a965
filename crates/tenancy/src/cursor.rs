//! Cursors of keyset walks: opaque to the caller, and valid for one list only.

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use rylie_crypto::{Keyring, Lookup, Normalisation};
use rylie_entities::KeysetKey;
use serde::Serialize;

use crate::error::{Error, Result};

/// A position in a keyset walk. Only the `next` of a page is accepted.
///
/// It is bound to the list, its filter and order, and to the tenant and reach of the unit. Used elsewhere, or changed,
/// it gives [`Error::Invalid`]. It is not secret, and contains only the position.
#[derive(Clone, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Cursor(String);

// The encoded bytes: version, tag, key, id.
const VERSION: u8 = 1;
const TAG: usize = 32;
const KEY: usize = 8;
const HEAD: usize = 1 + TAG + KEY;
/// The maximum length of the text, for an id of 255 bytes.
const MAX_TEXT: usize = (HEAD + 255).div_ceil(3) * 4;

pub(crate) const REFUSED: Error =
    Error::Invalid { what: "the cursor", reason: "it does not belong to this list; begin again without a cursor" };

impl Cursor {
    /// Parses the text of a cursor, as from a web request. Whether it belongs to a list is checked on use. Fails with
    /// [`Error::Invalid`] for any other text.
    pub fn parse(text: &str) -> Result<Self> {
        let cursor = if text.len() <= MAX_TEXT { Self(text.to_owned()) } else { return Err(REFUSED) };
        cursor.bytes().map(|_| cursor)
    }

    /// Returns the text, which needs no escaping in a URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| REFUSED)?;
        if bytes.len() > HEAD && bytes[0] == VERSION { Ok(bytes) } else { Err(REFUSED) }
    }

    pub(crate) fn seal(position: &KeysetKey, key: &hmac::Key, list: &[u8]) -> Self {
        let place = [&position.key.to_be_bytes(), position.id.as_bytes()].concat();
        let tag = hmac::sign(key, &signed(&place, list));
        Self(URL_SAFE_NO_PAD.encode([&[VERSION], tag.as_ref(), &place].concat()))
    }

    pub(crate) fn open(&self, keys: &[hmac::Key], list: &[u8]) -> Result<KeysetKey> {
        let bytes = self.bytes()?;
        let (tag, place) = bytes[1..].split_at(TAG);
        let signed = signed(place, list);
        if !keys.iter().any(|key| hmac::verify(key, &signed, tag).is_ok()) {
            return Err(REFUSED);
        }
        let (key, id) = place.split_first_chunk::<KEY>().ok_or(REFUSED)?;
        let id = String::from_utf8(id.to_vec()).map_err(|_| REFUSED)?;
        Ok(KeysetKey { key: i64::from_be_bytes(*key), id })
    }
}

/// Includes the length of the list, so that no part of it can be read as a part of the position.
fn signed(place: &[u8], list: &[u8]) -> Vec<u8> {
    [&[VERSION], &(list.len() as u64).to_be_bytes()[..], list, place].concat()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

/// The keys that create and verify a store's cursors; derived on first use.
#[derive(Default)]
pub struct CursorKeys {
    keyring: Option<Arc<Keyring>>,
    made: OnceLock<Vec<hmac::Key>>,
}

impl CursorKeys {
    /// Derives the keys from a keyring, so that processes with the same keyring share cursors. Without one they are
    /// random.
    #[must_use]
    pub fn of(keyring: Option<Arc<Keyring>>) -> Self {
        Self { keyring, made: OnceLock::new() }
    }

    /// Returns the keys; the first one creates cursors. Keys from before a rotation stay valid.
    pub(crate) fn get(&self) -> Result<&[hmac::Key]> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = self.keyring.as_deref().map_or_else(random_key, |keyring| derived_keys(keyring, "cursor"))?;
        Ok(self.made.get_or_init(|| made))
    }
}

fn random_key() -> Result<Vec<hmac::Key>> {
    let unavailable = |_| Error::Internal { what: "the random source", reason: "it failed; try again" };
    Ok(vec![hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(unavailable)?])
}

/// Derives keys for one `purpose` from the keyring, the active one first. Each key is a fingerprint of 256 bits, for a
/// column that no table has. Only the keyring's owner can compute it. Fails with [`Error::Secret`] if a key cannot be
/// derived.
pub fn derived_keys(keyring: &Keyring, purpose: &'static str) -> Result<Vec<hmac::Key>> {
    let lookup = Lookup { table: "", column: purpose, tenant: None, normalisation: Normalisation::Exact };
    let fingerprints = keyring.blind_index(&lookup)?.candidates("key");
    Ok(fingerprints.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.as_str().as_bytes())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> KeysetKey {
        KeysetKey { key: 0, id: "r1".to_owned() }
    }

    fn keys() -> Vec<hmac::Key> {
        [b"one", b"two"].map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)).to_vec()
    }

    #[test]
    fn a_cursor_opens_for_its_list_with_any_of_the_keys() {
        for key in &keys() {
            let cursor = Cursor::seal(&position(), key, b"list");
            assert_eq!(cursor.open(&keys(), b"list").unwrap(), position());
            assert!(cursor.open(&keys(), b"another").is_err());
        }
        let foreign = Cursor::seal(&position(), &hmac::Key::new(hmac::HMAC_SHA256, b"three"), b"list");
        assert!(foreign.open(&keys(), b"list").is_err());
    }

    #[test]
    fn every_change_of_a_bit_is_noticed() {
        let bytes = URL_SAFE_NO_PAD.decode(Cursor::seal(&position(), &keys()[0], b"list").0).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let opened =
                Cursor::parse(&URL_SAFE_NO_PAD.encode(forged)).and_then(|cursor| cursor.open(&keys(), b"list"));
            assert!(opened.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn hostile_text_is_refused() {
        let good = Cursor::seal(&position(), &keys()[0], b"list").0;
        let huge = "A".repeat(10_000_000);
        for text in [
            "",
            "A",
            "=",
            "\0",
            "🦀",
            "../../etc/passwd",
            "null",
            &huge,
            &good[1..],
            &format!("{good}="),
            &format!(" {good}"),
        ] {
            let opened = Cursor::parse(text).and_then(|cursor| cursor.open(&keys(), b"list"));
            assert!(matches!(opened, Err(Error::Invalid { what: "the cursor", .. })));
        }
        for end in 0..good.len() {
            assert!(Cursor::parse(&good[..end]).and_then(|cursor| cursor.open(&keys(), b"list")).is_err());
        }
    }

    #[test]
    fn the_longest_id_fits() {
        let position = KeysetKey { id: "x".repeat(255), ..position() };
        let cursor = Cursor::seal(&position, &keys()[0], b"list");
        assert_eq!(Cursor::parse(cursor.as_str()).unwrap().open(&keys(), b"list").unwrap(), position);
    }
}
