//! Ed25519 keys (RFC 8032): the key that signs checkpoints, and the public key that verifies them.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rylie_crypto::{exposed_mode, owner_only};

use crate::{Error, Result};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The key that signs checkpoints. Keep it on the sealing machine, away from the database.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Loads the key from a file. Fails with [`Error::Exposed`] if users other than the owner may read it. Fails with
    /// [`Error::File`] if it cannot be read, and with [`Error::Malformed`] if it holds no such key.
    pub fn load(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { doing: "reading the signing key", path: path.to_owned(), source };
        if exposed_mode(&fs::metadata(path).map_err(failed)?).is_some() {
            return Err(Error::Exposed { path: path.to_owned() });
        }
        Self::parse(&fs::read_to_string(path).map_err(failed)?)
    }

    /// Generates a key and writes it (PKCS#8 in PEM) to a new file that only its owner may read. Fails with
    /// [`Error::File`] if the file exists or cannot be written, and with [`Error::Cryptography`] if the system provides
    /// no randomness.
    pub fn create(path: &Path) -> Result<Self> {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| Error::Cryptography)?;
        let text = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(key.as_ref()));
        let failed = |source| Error::File { doing: "writing the signing key", path: path.to_owned(), source };
        let mut file = owner_only(OpenOptions::new().write(true).create_new(true)).open(path).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Self::parse(&text)
    }

    /// Parses the key from PEM text. Fails with [`Error::Malformed`] for another text.
    pub fn parse(pem: &str) -> Result<Self> {
        let malformed = |reason| Error::Malformed { what: "signing key", reason };
        let inner = pem.trim().strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
        let inner = inner.ok_or(malformed("it must be PKCS#8 in PEM, as `rylie audit keygen` writes it"))?;
        let text: String = inner.split_whitespace().collect();
        let bytes = STANDARD.decode(text).map_err(|_| malformed("its text is not base64"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes);
        pair.map(Self).map_err(|_| malformed("it contains no Ed25519 key"))
    }

    /// Returns the public key, for verifiers.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(bytes).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// A public key, written as `ed25519:` and 43 letters of base64url.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Parses the text that [`Display`](fmt::Display) writes. Fails with [`Error::Malformed`] for another text.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed =
            Error::Malformed { what: "public key", reason: "it must be `ed25519:` and 43 letters of base64url" };
        let bytes = text.trim().strip_prefix("ed25519:").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(malformed)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}
