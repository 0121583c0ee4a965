//! Seals and opens values with a keyring.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{Digest, SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::envelope::{HEADER, SALT, VERSION};
use crate::keyring::Material;
use crate::padding::{pad, unpadded_length};
use crate::{Binding, Error, KeyId, Keyring, Padding, Result, Sealed, Secret, kdf, random};

/// Separates the derivation of message keys from every other use of a master key. Label, salt and a key id of
/// twelve characters fit into one block of SHA-256.
const LABEL: &[u8] = b"rylie1seal";
/// Separates the commitment from every other use of SHA-256.
const COMMIT_LABEL: &[u8] = b"rylie1commit";

impl Keyring {
    /// Seals a secret with the active key. It opens only with the same binding. Fails with [`Error::Randomness`] if the
    /// system returns no random bytes, and with [`Error::TooLong`] beyond 64 GiB.
    pub fn seal<T>(&self, secret: &Secret<T>, binding: &Binding<'_>, padding: Padding) -> Result<Sealed>
    where
        T: AsRef<[u8]> + Zeroize,
    {
        self.seal_with(random::array()?, secret.expose().as_ref(), binding, padding)
    }

    /// Opens a value as text.
    ///
    /// Fails with [`Error::UnknownKey`] or [`Error::KeyDestroyed`] if the keyring does not have its key. Fails with
    /// [`Error::NotAuthentic`] if the value was changed or sealed for another binding, and with [`Error::NotText`] if
    /// it is not UTF-8.
    pub fn open(&self, sealed: &Sealed, binding: &Binding<'_>) -> Result<Secret<String>> {
        let bytes = self.open_frame(sealed, binding).and_then(without_padding)?;
        String::from_utf8(bytes).map(Secret::new).map_err(|error| {
            error.into_bytes().zeroize();
            Error::NotText
        })
    }

    /// Opens a value that need not be text. Fails as [`open`](Self::open) does, except with [`Error::NotText`].
    pub fn open_bytes(&self, sealed: &Sealed, binding: &Binding<'_>) -> Result<Secret<Vec<u8>>> {
        self.open_frame(sealed, binding).and_then(without_padding).map(Secret::new)
    }

    /// Opens a value at one binding and seals it with the active key at another. The padding is kept.
    ///
    /// Use it when the owner of a row changes, or with two equal bindings after a rotation. Fails as
    /// [`open_bytes`](Self::open_bytes) and [`seal`](Self::seal) do.
    pub fn rebind(&self, sealed: &Sealed, from: &Binding<'_>, to: &Binding<'_>) -> Result<Sealed> {
        let frame = Zeroizing::new(self.open_frame(sealed, from)?);
        let (id, material) = self.active_material()?;
        let mut buffer = header_with_room(random::array()?, frame.len());
        buffer.extend_from_slice(&frame);
        encrypt(id, material, buffer, to)
    }

    /// Seals with a given salt. Only test vectors choose the salt.
    fn seal_with(&self, salt: [u8; SALT], secret: &[u8], binding: &Binding<'_>, padding: Padding) -> Result<Sealed> {
        let (id, material) = self.active_material()?;
        let frame = padding.frame_length(secret.len()).ok_or(Error::TooLong)?;
        let mut buffer = header_with_room(salt, frame);
        buffer.extend_from_slice(secret);
        pad(&mut buffer, HEADER + frame);
        encrypt(id, material, buffer, binding)
    }

    /// Decrypts the frame: the secret, its end mark and its zeros.
    fn open_frame(&self, sealed: &Sealed, binding: &Binding<'_>) -> Result<Vec<u8>> {
        let (id, material) = self.material(sealed.key_id())?;
        let mut buffer = sealed.payload()?;
        let (salt, commitment) = buffer[..HEADER].split_at(SALT);
        let key = MessageKey::derive(id, material, salt)?;
        if !bool::from(key.commitment().as_ref().ct_eq(commitment)) {
            return Err(Error::NotAuthentic);
        }
        let data = associated_data(id, binding);
        let frame = key.cipher()?.open_within(nonce(), data, &mut buffer, HEADER..);
        let length = frame.map_err(|_| Error::NotAuthentic)?.len();
        // The frame is now at the start of the buffer; the rest is ciphertext.
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// The key of one message after [`COMMIT_LABEL`], so that both are hashed in one call.
struct MessageKey(Zeroizing<[u8; COMMIT_LABEL.len() + 32]>);

impl MessageKey {
    fn derive(id: &KeyId, material: &Material, salt: &[u8]) -> Result<Self> {
        let mut labelled = Zeroizing::new([0; COMMIT_LABEL.len() + 32]);
        let (label, key) = labelled.split_at_mut(COMMIT_LABEL.len());
        label.copy_from_slice(COMMIT_LABEL);
        kdf::expand(material.prk(), &[LABEL, salt, id.as_str().as_bytes()], key)?;
        Ok(Self(labelled))
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.0[COMMIT_LABEL.len()..]);
        key.map(LessSafeKey::new).map_err(|_| Error::TooLong)
    }

    /// Returns the commitment in the envelope, which restricts it to this key.
    fn commitment(&self) -> Digest {
        digest(&SHA256, &*self.0)
    }
}

/// Allocates a buffer that begins with the salt and never grows, so that no copy of a plain text remains in memory.
fn header_with_room(salt: [u8; SALT], frame: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(HEADER + frame + AES_256_GCM.tag_len());
    buffer.extend_from_slice(&salt);
    buffer.resize(HEADER, 0);
    buffer
}

/// Fills in the commitment, encrypts the frame after the header in place, and appends the tag.
fn encrypt(id: &KeyId, material: &Material, mut buffer: Vec<u8>, binding: &Binding<'_>) -> Result<Sealed> {
    let sealed = encrypt_in_place(id, material, &mut buffer, binding);
    if sealed.is_err() {
        // The frame may still be in plain text.
        buffer.zeroize();
    }
    sealed.map(|()| Sealed::write(id.as_str(), &buffer))
}

fn encrypt_in_place(id: &KeyId, material: &Material, buffer: &mut Vec<u8>, binding: &Binding<'_>) -> Result<()> {
    let key = MessageKey::derive(id, material, &buffer[..SALT])?;
    buffer[SALT..HEADER].copy_from_slice(key.commitment().as_ref());
    let data = associated_data(id, binding);
    let tag = key.cipher()?.seal_in_place_separate_tag(nonce(), data, &mut buffer[HEADER..]);
    buffer.extend_from_slice(tag.map_err(|_| Error::TooLong)?.as_ref());
    Ok(())
}

fn without_padding(mut frame: Vec<u8>) -> Result<Vec<u8>> {
    let Some(length) = unpadded_length(&frame) else {
        frame.zeroize();
        return Err(Error::NotAuthentic);
    };
    frame.truncate(length);
    Ok(frame)
}

fn associated_data(id: &KeyId, binding: &Binding<'_>) -> Aad<Vec<u8>> {
    Aad::from(binding.associated_data(VERSION, id.as_str()))
}

/// Always zero: each key encrypts one message.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests;
