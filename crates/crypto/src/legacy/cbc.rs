//! `ivhex:cthex`: AES-256-CBC with PKCS #7 padding.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, Result, Secret, StoredForm};

/// Reports wrong padding and wrong encoding as the same error. A wrong key passes both checks for one in some 1.5
/// million values of a single block. This form cannot detect that.
pub(super) fn open(key: &[u8; 32], text: &str) -> Result<Secret<String>> {
    decrypt(key, text).ok_or(Error::LegacyUnreadable { form: StoredForm::LegacyCbc })
}

fn decrypt(key: &[u8; 32], text: &str) -> Option<Secret<String>> {
    let (vector, encrypted) = text.split_once(':')?;
    let vector = hex::decode(vector).ok()?;
    let mut buffer = Zeroizing::new(hex::decode(encrypted).ok()?);
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(key, &vector).ok()?;
    let length = cipher.decrypt_padded_mut::<Pkcs7>(&mut buffer).ok()?.len();
    let mut plain = std::mem::take(&mut *buffer);
    plain.truncate(length);
    String::from_utf8(plain).map(Secret::new).map_err(|error| error.into_bytes().zeroize()).ok()
}
