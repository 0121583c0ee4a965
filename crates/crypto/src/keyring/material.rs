//! The bytes of a key that is not destroyed.

use ring::hkdf::Prk;

use super::strength;
use crate::{Error, KeyId, Result, Secret, kdf, random};

pub(crate) const LENGTH: usize = 32;

/// The salt of HKDF-Extract, which runs once for each master key. Message keys are expanded from its output.
const EXTRACT_SALT: &[u8] = b"rylie-crypto 1";

/// A master key and the output of HKDF-Extract for it.
pub(crate) struct Material {
    master: Secret<[u8; LENGTH]>,
    prk: Prk,
}

impl Material {
    pub(super) fn generate(id: &KeyId) -> Result<Self> {
        Self::new(id, Secret::new(random::array()?))
    }

    /// Fails if the bytes are not 32 or not random enough.
    pub(super) fn from_bytes(id: &KeyId, bytes: &[u8]) -> Result<Self> {
        let mut master = Secret::new([0; LENGTH]);
        if bytes.len() != LENGTH {
            return Err(Error::WeakKey { key: id.clone(), reason: "it is not 32 bytes long" });
        }
        master.expose_mut().copy_from_slice(bytes);
        Self::new(id, master)
    }

    pub(crate) const fn prk(&self) -> &Prk {
        &self.prk
    }

    pub(super) const fn bytes(&self) -> &Secret<[u8; LENGTH]> {
        &self.master
    }

    fn new(id: &KeyId, master: Secret<[u8; LENGTH]>) -> Result<Self> {
        if let Some(reason) = strength::weakness(master.expose()) {
            return Err(Error::WeakKey { key: id.clone(), reason });
        }
        let prk = kdf::extract(EXTRACT_SALT, master.expose());
        Ok(Self { master, prk })
    }
}
