//! Keys, their states, and the active key.

mod document;
mod file;
mod key_id;
mod material;
mod new_key_id;
mod provider;
mod state;
mod strength;

use std::fmt;

use crate::{Error, Result, Secret};

pub use file::KeyFile;
pub use key_id::KeyId;
pub(crate) use key_id::is_key_id;
pub(crate) use material::Material;
pub use provider::KeyProvider;
pub use state::KeyState;

/// The keys of a deployment. One is active and seals; older ones only open; of destroyed ones only the id remains.
///
/// Keys are wiped when dropped and never printed. A keyring comes from [`Keyring::generate`], a [`KeyFile`], the
/// environment or text. Loading always checks that one key is active, that no id or key occurs twice, and that no key
/// is short or weak.
pub struct Keyring {
    keys: Vec<Key>,
}

struct Key {
    id: KeyId,
    held: Held,
}

enum Held {
    Active(Material),
    DecryptOnly(Material),
    Destroyed,
}

impl Keyring {
    /// Creates a keyring with one new random key, which is active. Fails with [`Error::Randomness`] if the system
    /// returns no random bytes.
    pub fn generate() -> Result<Self> {
        let mut keyring = Self { keys: Vec::new() };
        keyring.rotate()?;
        Ok(keyring)
    }

    /// Parses the JSON document of a keyring, as written by [`Keyring::to_text`].
    ///
    /// Fails with [`Error::KeyringSyntax`] for another text. Fails with [`Error::KeyringEntry`], [`Error::BadKeyId`] or
    /// [`Error::WeakKey`] for an entry that cannot be used. Fails with [`Error::DuplicateKeyId`],
    /// [`Error::DuplicateKey`] or [`Error::ActiveKeys`] if the entries do not fit together.
    pub fn parse(text: &str) -> Result<Self> {
        document::read(text, None)
    }

    /// Parses a keyring whose keys a provider wrapped. Fails as [`parse`](Self::parse) does, and with
    /// [`Error::Provider`] if the provider does not unwrap a key.
    pub fn parse_wrapped(text: &str, provider: &dyn KeyProvider) -> Result<Self> {
        document::read(text, Some(provider))
    }

    /// Reads the keyring from an environment variable.
    ///
    /// Child processes and, on some systems, other users can read the environment. A [`KeyFile`] is safer.
    ///
    /// Fails with [`Error::Environment`] if the variable is missing or not text, and as [`parse`](Self::parse) does.
    pub fn from_env(variable: &str) -> Result<Self> {
        let missing = |_| Error::Environment { name: variable.to_owned() };
        let text = std::env::var(variable).map_err(missing)?;
        Self::parse(Secret::new(text).expose())
    }

    /// Adds a new random key and makes it active. The previous key then only opens.
    ///
    /// Before the new key seals a value, save the keyring and load it in every process that opens values.
    ///
    /// Fails with [`Error::Randomness`] if the system returns no random bytes; the keyring is then unchanged.
    pub fn rotate(&mut self) -> Result<KeyId> {
        let id = self.unused_id()?;
        let material = Material::generate(&id)?;
        for key in &mut self.keys {
            key.demote();
        }
        self.keys.push(Key { id: id.clone(), held: Held::Active(material) });
        Ok(id)
    }

    /// Destroys a key and keeps its id. Fails with [`Error::KeyIsActive`] for the active key, and with
    /// [`Error::UnknownKey`] if there is no such key.
    ///
    /// Values still sealed with it are lost, so count them first. Copies in backups must be destroyed separately.
    pub fn destroy(&mut self, id: &KeyId) -> Result<()> {
        let key = self.keys.iter_mut().find(|key| key.id == *id);
        let key = key.ok_or_else(|| Error::UnknownKey { key: id.clone() })?;
        if let Held::Active(_) = key.held {
            return Err(Error::KeyIsActive { key: id.clone() });
        }
        key.held = Held::Destroyed;
        Ok(())
    }

    /// Returns the id of the active key.
    pub fn active(&self) -> Result<&KeyId> {
        self.active_material().map(|(id, _)| id)
    }

    /// Returns every key's id and state, oldest first.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, KeyState)> {
        self.keys.iter().map(|key| (&key.id, key.state()))
    }

    /// Returns the keyring as a JSON document with unwrapped keys, for the environment or a secret store.
    pub fn to_text(&self) -> Result<Secret<String>> {
        document::write(self, None)
    }

    /// Returns the keyring as a JSON document whose keys are wrapped by the provider. Fails with [`Error::Provider`] if
    /// the provider does not wrap a key.
    pub fn to_wrapped_text(&self, provider: &dyn KeyProvider) -> Result<Secret<String>> {
        document::write(self, Some(provider))
    }

    /// Checks the invariants between keys.
    fn checked(keys: Vec<Key>) -> Result<Self> {
        for (position, key) in keys.iter().enumerate() {
            for other in &keys[..position] {
                key.check_distinct(other)?;
            }
        }
        let active = |key: &&Key| matches!(key.held, Held::Active(_));
        match keys.iter().filter(active).count() {
            1 => Ok(Self { keys }),
            count => Err(Error::ActiveKeys { count }),
        }
    }

    pub(crate) fn active_material(&self) -> Result<(&KeyId, &Material)> {
        let active = self.keys.iter().find_map(|key| match &key.held {
            Held::Active(material) => Some((&key.id, material)),
            _ => None,
        });
        active.ok_or(Error::ActiveKeys { count: 0 })
    }

    pub(crate) fn material(&self, id: &str) -> Result<(&KeyId, &Material)> {
        let Some(key) = self.keys.iter().find(|key| key.id.as_str() == id) else {
            return Err(Error::UnknownKey { key: id.parse()? });
        };
        let material = key.material().ok_or_else(|| Error::KeyDestroyed { key: key.id.clone() })?;
        Ok((&key.id, material))
    }

    /// Returns the keys that can open, the active one first.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (&KeyId, &Material)> {
        let older = self.keys.iter().rev().filter_map(|key| match &key.held {
            Held::DecryptOnly(material) => Some((&key.id, material)),
            _ => None,
        });
        self.active_material().into_iter().chain(older)
    }

    fn unused_id(&self) -> Result<KeyId> {
        loop {
            let id = KeyId::random()?;
            if self.keys.iter().all(|key| key.id != id) {
                return Ok(id);
            }
        }
    }
}

impl Key {
    fn demote(&mut self) {
        self.held = match std::mem::replace(&mut self.held, Held::Destroyed) {
            Held::Active(material) | Held::DecryptOnly(material) => Held::DecryptOnly(material),
            Held::Destroyed => Held::Destroyed,
        };
    }

    fn state(&self) -> KeyState {
        match self.held {
            Held::Active(_) => KeyState::Active,
            Held::DecryptOnly(_) => KeyState::DecryptOnly,
            Held::Destroyed => KeyState::Destroyed,
        }
    }

    fn material(&self) -> Option<&Material> {
        match &self.held {
            Held::Active(material) | Held::DecryptOnly(material) => Some(material),
            Held::Destroyed => None,
        }
    }

    fn check_distinct(&self, other: &Self) -> Result<()> {
        let key = || self.id.clone();
        if self.id == other.id {
            return Err(Error::DuplicateKeyId { key: key() });
        }
        match (self.material(), other.material()) {
            (Some(one), Some(two)) if one.bytes() == two.bytes() => {
                Err(Error::DuplicateKey { key: key(), other: other.id.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring ")?;
        f.debug_map().entries(self.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
