//! Finds a sealed value by equality.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::binding::length_prefixed;
use crate::keyring::{Material, is_key_id};
use crate::{Error, KeyId, Keyring, Result, kdf};

const PREFIX: &str = "ryidx1.";
/// Separates the derivation of index keys from every other use of a master key.
const LABEL: &[u8] = b"rylie1index";

/// The scope of a blind index: a column, optionally a tenant, and the normalisation of values.
///
/// All fields go into the key, so fingerprints of two columns, tenants or normalisations never match.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lookup<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The column whose values are looked up.
    pub column: &'a str,
    /// `None` if the value is looked up before its tenant is known, as for an API key.
    pub tenant: Option<&'a str>,
    /// Which values count as equal.
    pub normalisation: Normalisation,
}

/// Which values count as equal. Unicode composition is not normalised: `é` in one and in two code points differ.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Normalisation {
    /// Compares bytes. For tokens and keys.
    #[default]
    Exact,
    /// Ignores white space at both ends.
    Trim,
    /// Ignores white space at both ends, and case (Unicode lower case). For e-mail addresses.
    TrimLowercase,
}

impl Normalisation {
    const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Trim => "trim",
            Self::TrimLowercase => "trim-lowercase",
        }
    }

    fn apply(self, value: &str) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Exact => value.to_owned(),
            Self::Trim => value.trim().to_owned(),
            Self::TrimLowercase => value.trim().to_lowercase(),
        })
    }
}

/// Computes fingerprints of values for one lookup, with each key of a keyring that can decrypt.
///
/// Without the key, a fingerprint shows only whether two values of the lookup are equal.
pub struct BlindIndex {
    normalisation: Normalisation,
    /// The active key is first.
    keys: Vec<(KeyId, hmac::Key)>,
}

impl Keyring {
    /// Derives the blind index of one lookup. Derive it again after a rotation.
    pub fn blind_index(&self, lookup: &Lookup<'_>) -> Result<BlindIndex> {
        let keys = self.usable().map(|(id, material)| Ok((id.clone(), derive(id, material, lookup)?)));
        Ok(BlindIndex { normalisation: lookup.normalisation, keys: keys.collect::<Result<_>>()? })
    }
}

impl BlindIndex {
    /// Returns the fingerprint to store, made with the active key.
    pub fn fingerprint(&self, value: &str) -> Result<Fingerprint> {
        let (id, key) = self.keys.first().ok_or(Error::ActiveKeys { count: 0 })?;
        Ok(Fingerprint::new(id, key, &self.normalisation.apply(value)))
    }

    /// Returns the fingerprints under which a value may be stored: one for each key, so several during a rotation.
    /// Search for any of them.
    #[must_use]
    pub fn candidates(&self, value: &str) -> Vec<Fingerprint> {
        let value = self.normalisation.apply(value);
        self.keys.iter().map(|(id, key)| Fingerprint::new(id, key, &value)).collect()
    }

    /// Returns whether a stored fingerprint is that of the value. Compares in constant time. Fails with
    /// [`Error::UnknownKey`] if the keyring has no usable key of the fingerprint.
    pub fn confirm(&self, stored: &Fingerprint, value: &str) -> Result<bool> {
        let id: KeyId = stored.key_id().parse()?;
        let Some((id, key)) = self.keys.iter().find(|(known, _)| *known == id) else {
            return Err(Error::UnknownKey { key: id });
        };
        let found = Fingerprint::new(id, key, &self.normalisation.apply(value));
        Ok(found.0.as_bytes().ct_eq(stored.0.as_bytes()).into())
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|(id, _)| id.as_str()).collect();
        f.debug_struct("BlindIndex").field("normalisation", &self.normalisation).field("keys", &ids).finish()
    }
}

/// The stored and searched form of a value: `ryidx1.<key id>.<base64url of 32 bytes>`.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Parses a stored fingerprint. Fails with [`Error::NotAFingerprint`] for another text.
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let (id, mac) =
            text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or(Error::NotAFingerprint)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| Error::NotAFingerprint)?;
        if is_key_id(id) && mac.len() == 32 { Ok(Self(text)) } else { Err(Error::NotAFingerprint) }
    }

    /// Returns the text to store or search for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text to store or search for.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// Returns the id of the key that made it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }

    fn new(id: &KeyId, key: &hmac::Key, normalised: &str) -> Self {
        let mac = URL_SAFE_NO_PAD.encode(hmac::sign(key, normalised.as_bytes()));
        Self(format!("{PREFIX}{id}.{mac}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({PREFIX}{}..)", self.key_id())
    }
}

/// Derives a separate key for each master key, column, normalisation and tenant. Without a tenant, the last field is
/// absent.
fn derive(id: &KeyId, material: &Material, lookup: &Lookup<'_>) -> Result<hmac::Key> {
    let mut fields = vec![id.as_str(), lookup.table, lookup.column, lookup.normalisation.name()];
    fields.extend(lookup.tenant);
    let mut key = Zeroizing::new([0; 32]);
    kdf::expand(material.prk(), &[LABEL, &length_prefixed(&fields)], &mut *key)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &*key))
}
