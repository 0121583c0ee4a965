//! AES-GCM alone does not commit to its key. These tests build a ciphertext that two keys accept
//! (Dodis, Grubbs, Ristenpart and Woodage, "Fast Message Franking", 2018). The envelope rejects it.

use aes::Aes256;
use aes::cipher::{BlockEncrypt, KeyInit};

use super::*;

#[test]
fn a_ciphertext_that_two_keys_accept_opens_under_one_at_most() {
    let [ours, theirs] = [(); 2].map(|()| keyring_with_id("shared"));
    let salt = [7; SALT];
    let [our_key, their_key] = [&ours, &theirs].map(|keyring| message_key(keyring, &salt));
    let aad = PLACE.associated_data(VERSION, "shared");
    let colliding = colliding_ciphertext(&our_key, &their_key, &aad);

    // Both keys decrypt it: without a commitment, both keyrings would open it.
    for key in [&our_key, &their_key] {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
        let mut buffer = colliding.clone();
        assert!(cipher.open_in_place(nonce(), Aad::from(&aad), &mut buffer).is_ok());
    }

    for (committed, other) in [(&ours, &theirs), (&theirs, &ours)] {
        let (id, material) = committed.active_material().unwrap();
        let commitment = MessageKey::derive(id, material, &salt).unwrap().commitment();
        let envelope = Sealed::write("shared", &[&salt[..], commitment.as_ref(), &colliding].concat());
        assert!(committed.open_frame(&envelope, &PLACE).is_ok());
        assert!(matches!(other.open_frame(&envelope, &PLACE), Err(Error::NotAuthentic)));
    }
}

#[test]
fn an_envelope_does_not_open_under_another_key_of_the_same_id() {
    let [ours, theirs] = [(); 2].map(|()| keyring_with_id("shared"));
    let sealed = ours.seal(&token(), &PLACE, Padding::None).unwrap();

    assert!(matches!(theirs.open(&sealed, &PLACE), Err(Error::NotAuthentic)));
}

fn keyring_with_id(id: &str) -> Keyring {
    let keyring = Keyring::generate().unwrap();
    let text = keyring.to_text().unwrap();
    let old = keyring.active().unwrap().as_str();
    Keyring::parse(&text.expose().replace(old, id)).unwrap()
}

fn message_key(keyring: &Keyring, salt: &[u8]) -> [u8; 32] {
    let (id, material) = keyring.active_material().unwrap();
    let key = MessageKey::derive(id, material, salt).unwrap();
    key.0[COMMIT_LABEL.len()..].try_into().unwrap()
}

/// Builds one block of ciphertext and a tag that are valid under both keys. The tag is linear in the block, so
/// `block · H² + rest` under one key equals that under the other for exactly one block.
fn colliding_ciphertext(one: &[u8; 32], two: &[u8; 32], aad: &[u8]) -> Vec<u8> {
    let [(hash_one, rest_one), (hash_two, rest_two)] = [one, two].map(|key| {
        let hash = encrypt_block(key, 0);
        (hash, tag(key, aad, 0))
    });
    let factor = multiply(hash_one, hash_one) ^ multiply(hash_two, hash_two);
    let block = multiply(rest_one ^ rest_two, invert(factor));

    let shared = tag(one, aad, block);
    assert_eq!(shared, tag(two, aad, block));
    [block.to_be_bytes(), shared.to_be_bytes()].concat()
}

/// Computes GCM's tag of one block under the zero nonce (NIST SP 800-38D, 7.1).
fn tag(key: &[u8; 32], aad: &[u8], block: u128) -> u128 {
    let hash = encrypt_block(key, 0);
    let mut sum = 0;
    for chunk in aad.chunks(16) {
        let mut padded = [0; 16];
        padded[..chunk.len()].copy_from_slice(chunk);
        sum = multiply(sum ^ u128::from_be_bytes(padded), hash);
    }
    sum = multiply(sum ^ block, hash);
    let lengths = (aad.len() as u128 * 8) << 64 | 128;
    multiply(sum ^ lengths, hash) ^ encrypt_block(key, 1)
}

fn encrypt_block(key: &[u8; 32], block: u128) -> u128 {
    let mut bytes = block.to_be_bytes().into();
    Aes256::new(key.into()).encrypt_block(&mut bytes);
    u128::from_be_bytes(bytes.into())
}

/// Multiplies in GCM's field, bits reflected (NIST SP 800-38D, 6.3).
fn multiply(one: u128, two: u128) -> u128 {
    let (mut product, mut shifted) = (0, two);
    for bit in (0..128).rev() {
        if one >> bit & 1 == 1 {
            product ^= shifted;
        }
        let reduce = shifted & 1 == 1;
        shifted >>= 1;
        if reduce {
            shifted ^= 0xe1 << 120;
        }
    }
    product
}

/// Raises to the power 2¹²⁸ − 2.
fn invert(element: u128) -> u128 {
    let one = 1 << 127;
    (1..128)
        .fold((one, element), |(product, power), _| {
            let squared = multiply(power, power);
            (multiply(product, squared), squared)
        })
        .0
}
