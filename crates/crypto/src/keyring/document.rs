//! The JSON document of a keyring.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Held, Key, KeyProvider, KeyState, Keyring, Material};
use crate::{Error, KeyId, Object, Result, Secret};

const VERSION: u32 = 1;
/// More than the size of an entry, so that the buffer is never reallocated while it contains keys. (A provider's
/// wrapped key may be longer, but is not secret.)
const ENTRY: usize = 256;

/// Fields borrow from the text, so that reading leaves no copy of a key.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    version: u32,
    #[serde(borrow)]
    keys: Vec<Object<Entry<'a>>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    id: &'a str,
    state: KeyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped: Option<&'a str>,
}

pub(super) fn read(text: &str, provider: Option<&dyn KeyProvider>) -> Result<Keyring> {
    // The parser's error quotes its input, which may be a key: keep only its position.
    let Object::<Document<'_>>(document) = serde_json::from_str(text)
        .map_err(|error| Error::KeyringSyntax { line: error.line(), column: error.column() })?;
    if document.version != VERSION {
        return Err(Error::KeyringSyntax { line: 0, column: 0 });
    }
    let keys = document.keys.iter().map(|Object(entry)| entry.read(provider));
    Keyring::checked(keys.collect::<Result<_>>()?)
}

pub(super) fn write(keyring: &Keyring, provider: Option<&dyn KeyProvider>) -> Result<Secret<String>> {
    let spelled = keyring.keys.iter().map(|key| spell(key, provider));
    let spelled: Vec<Zeroizing<String>> = spelled.collect::<Result<_>>()?;
    let entries = keyring.keys.iter().zip(&spelled).map(|(key, text)| {
        let text = Some(text.as_str()).filter(|_| key.state() != KeyState::Destroyed);
        let (key_text, wrapped) = if provider.is_some() { (None, text) } else { (text, None) };
        Object(Entry { id: key.id.as_str(), state: key.state(), key: key_text, wrapped })
    });
    let document = Document { version: VERSION, keys: entries.collect() };

    let mut bytes = Vec::with_capacity(ENTRY * (1 + keyring.keys.len()));
    // Writing strings and numbers to memory cannot fail.
    serde_json::to_writer(&mut bytes, &document).map_err(|_| Error::KeyringSyntax { line: 0, column: 0 })?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| Error::KeyringSyntax { line: 0, column: 0 })
}

impl Entry<'_> {
    fn read(&self, provider: Option<&dyn KeyProvider>) -> Result<Key> {
        let id: KeyId = self.id.parse()?;
        let held = match self.state {
            KeyState::Active => Held::Active(self.material(&id, provider)?),
            KeyState::DecryptOnly => Held::DecryptOnly(self.material(&id, provider)?),
            KeyState::Destroyed if self.key.is_none() && self.wrapped.is_none() => Held::Destroyed,
            KeyState::Destroyed => {
                return Err(wrong(&id, "it is marked as destroyed but has a key; remove the key, or change the state"));
            }
        };
        Ok(Key { id, held })
    }

    fn material(&self, id: &KeyId, provider: Option<&dyn KeyProvider>) -> Result<Material> {
        match (self.key, self.wrapped, provider) {
            (Some(key), None, None) => Material::from_bytes(id, &decode(id, key)?),
            (None, Some(wrapped), Some(provider)) => {
                let failed = |source| Error::Provider { doing: "unwrapping", key: id.clone(), source };
                let bytes = provider.unwrap_key(id, &decode(id, wrapped)?).map_err(failed)?;
                Material::from_bytes(id, bytes.expose())
            }
            (None, Some(_), None) => Err(wrong(id, "it is wrapped; configure the key provider that wrapped it")),
            (Some(_), None, Some(_)) => {
                Err(wrong(id, "it is not wrapped, but a key provider is configured; wrap it, or configure none"))
            }
            (None, None, _) | (Some(_), Some(_), _) => Err(wrong(id, "it needs either `key` or `wrapped`")),
        }
    }
}

/// Encodes a key's bytes for the document, wrapped if there is a provider.
fn spell(key: &Key, provider: Option<&dyn KeyProvider>) -> Result<Zeroizing<String>> {
    let Some(material) = key.material() else {
        return Ok(Zeroizing::default());
    };
    let text = match provider {
        None => URL_SAFE_NO_PAD.encode(material.bytes().expose()),
        Some(provider) => {
            let failed = |source| Error::Provider { doing: "wrapping", key: key.id.clone(), source };
            URL_SAFE_NO_PAD.encode(provider.wrap_key(&key.id, material.bytes()).map_err(failed)?)
        }
    };
    Ok(Zeroizing::new(text))
}

fn decode(id: &KeyId, text: &str) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new);
    bytes.map_err(|_| wrong(id, "it is not base64url without padding"))
}

fn wrong(id: &KeyId, reason: &'static str) -> Error {
    Error::KeyringEntry { key: id.clone(), reason }
}
