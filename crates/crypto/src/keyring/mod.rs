//! Keys, their states, and the one that seals.

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

/// The keys of a deployment: exactly one seals, older ones still open, destroyed ones are remembered by their id.
///
/// Keys are wiped when dropped and never printed. A keyring is made by [`Keyring::generate`] or read: from a
/// [`KeyFile`], the environment, or text. Whatever is read passes the same checks: one active key, no id or key
/// twice, no key that is short or not random.
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
    /// A keyring with one new random key, active.
    pub fn generate() -> Result<Self> {
        let mut keyring = Self { keys: Vec::new() };
        keyring.rotate()?;
        Ok(keyring)
    }

    /// Reads the JSON document of a keyring, as [`Keyring::to_text`] writes it.
    pub fn parse(text: &str) -> Result<Self> {
        document::read(text, None)
    }

    /// Reads a keyring whose keys a provider wrapped.
    pub fn parse_wrapped(text: &str, provider: &dyn KeyProvider) -> Result<Self> {
        document::read(text, Some(provider))
    }

    /// Reads the keyring in an environment variable.
    ///
    /// The environment is seen by child processes and, on some systems, by others; a [`KeyFile`] is safer.
    pub fn from_env(variable: &str) -> Result<Self> {
        let missing = |_| Error::Environment { name: variable.to_owned() };
        let text = std::env::var(variable).map_err(missing)?;
        Self::parse(Secret::new(text).expose())
    }

    /// Adds a new random key and makes it the active one; the old one opens from now on, and seals no more.
    ///
    /// Save the keyring, and load it wherever values are opened, before the new key seals anything.
    pub fn rotate(&mut self) -> Result<KeyId> {
        let id = self.unused_id()?;
        let material = Material::generate(&id)?;
        for key in &mut self.keys {
            key.demote();
        }
        self.keys.push(Key { id: id.clone(), held: Held::Active(material) });
        Ok(id)
    }

    /// Forgets a key for good, and remembers that it was destroyed. Refused for the active key.
    ///
    /// Whatever is still sealed with it is lost: count first. Copies in backups are the caller's to destroy.
    pub fn destroy(&mut self, id: &KeyId) -> Result<()> {
        let key = self.keys.iter_mut().find(|key| key.id == *id);
        let key = key.ok_or_else(|| Error::UnknownKey { key: id.clone() })?;
        if let Held::Active(_) = key.held {
            return Err(Error::KeyIsActive { key: id.clone() });
        }
        key.held = Held::Destroyed;
        Ok(())
    }

    /// The id of the key that seals.
    pub fn active(&self) -> Result<&KeyId> {
        self.active_material().map(|(id, _)| id)
    }

    /// Every key's id and state, oldest first.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, KeyState)> {
        self.keys.iter().map(|key| (&key.id, key.state()))
    }

    /// The keyring as a JSON document, keys in the clear: for the environment or a secret store.
    pub fn to_text(&self) -> Result<Secret<String>> {
        document::write(self, None)
    }

    /// The keyring as a JSON document whose keys the provider has wrapped.
    pub fn to_wrapped_text(&self, provider: &dyn KeyProvider) -> Result<Secret<String>> {
        document::write(self, Some(provider))
    }

    /// Checks what must hold among the keys.
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

    /// The keys that open, the active one first.
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
