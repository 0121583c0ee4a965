use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const PLACE: Binding<'static> = Binding::new("GA4Connection", "accessToken", "row-1", "agency-1");

fn token() -> Secret<String> {
    Secret::from("ya29.a-token")
}

#[test]
fn every_single_bit_flip_is_an_error() {
    let keyring = Keyring::generate().unwrap();
    let text = keyring.seal(&token(), &PLACE, Padding::None).unwrap().into_text();

    for position in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            // A column is text, so bytes that are not UTF-8 cannot occur.
            let Ok(flipped) = String::from_utf8(bytes) else {
                continue;
            };
            let outcome = Sealed::parse(&*flipped).and_then(|sealed| keyring.open(&sealed, &PLACE));
            assert!(
                matches!(outcome, Err(Error::NotAnEnvelope { .. } | Error::UnknownKey { .. } | Error::NotAuthentic)),
                "bit {bit} of byte {position}: {outcome:?}"
            );
            assert_ne!(crate::StoredForm::of(&flipped), crate::StoredForm::Plain, "{position}");
        }
    }
}

#[test]
fn every_bit_of_the_payload_is_authenticated() {
    let keyring = Keyring::generate().unwrap();
    let sealed = keyring.seal(&token(), &PLACE, Padding::None).unwrap();
    let payload = sealed.payload().unwrap();

    for bit in 0..payload.len() * 8 {
        let mut flipped = payload.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let flipped = Sealed::write(sealed.key_id(), &flipped);
        assert!(matches!(keyring.open(&flipped, &PLACE), Err(Error::NotAuthentic)), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let keyring = Keyring::generate().unwrap();
    let text = keyring.seal(&token(), &PLACE, Padding::None).unwrap().into_text();

    for length in 0..text.len() {
        for cut in [&text[..length], &text[text.len() - length..]] {
            let outcome = Sealed::parse(cut).and_then(|sealed| keyring.open(&sealed, &PLACE));
            assert!(matches!(outcome, Err(Error::NotAnEnvelope { .. } | Error::NotAuthentic)), "{cut}: {outcome:?}");
        }
    }
}

#[test]
fn a_moved_value_does_not_open() {
    let keyring = Keyring::generate().unwrap();
    let sealed = keyring.seal(&token(), &PLACE, Padding::None).unwrap();
    let elsewhere = [
        Binding { table: "SearchConsoleConnection", ..PLACE },
        Binding { column: "refreshToken", ..PLACE },
        Binding { row: "row-2", ..PLACE },
        Binding { owner: "agency-2", ..PLACE },
        Binding { row: "agency-1", owner: "row-1", ..PLACE },
        Binding { row: "row-1a", owner: "gency-1", ..PLACE },
        Binding::new("", "", "", ""),
    ];

    for place in elsewhere {
        let outcome = keyring.open(&sealed, &place);
        assert!(matches!(outcome, Err(Error::NotAuthentic)), "{place:?}");
    }
    assert_eq!(keyring.open(&sealed, &PLACE).unwrap(), token());
}

#[test]
fn a_rebound_value_opens_at_its_new_binding_only() {
    let keyring = Keyring::generate().unwrap();
    let sealed = keyring.seal(&token(), &PLACE, Padding::Padme).unwrap();
    let moved = Binding { owner: "agency-2", ..PLACE };

    let rebound = keyring.rebind(&sealed, &PLACE, &moved).unwrap();

    assert_eq!(keyring.open(&rebound, &moved).unwrap(), token());
    assert!(keyring.open(&rebound, &PLACE).is_err());
    assert!(keyring.rebind(&sealed, &moved, &PLACE).is_err());
}

#[test]
fn old_values_open_after_a_rotation_and_rebinding_uses_the_new_key() {
    let mut keyring = Keyring::generate().unwrap();
    let padding = Padding::Blocks(std::num::NonZeroU16::new(256).unwrap());
    let old = keyring.seal(&token(), &PLACE, padding).unwrap();
    let old_key: KeyId = old.key_id().parse().unwrap();

    let new_key = keyring.rotate().unwrap();
    let new = keyring.rebind(&old, &PLACE, &PLACE).unwrap();
    assert_eq!(new.key_id(), new_key.as_str());
    assert_eq!(new.as_str().len(), old.as_str().len(), "the padding is kept");
    assert_eq!(keyring.open(&old, &PLACE).unwrap(), token());

    keyring.destroy(&old_key).unwrap();
    assert!(matches!(keyring.open(&old, &PLACE), Err(Error::KeyDestroyed { key }) if key == old_key));
    assert_eq!(keyring.open(&new, &PLACE).unwrap(), token());
}

#[test]
fn another_keyring_does_not_know_the_key() {
    let [ours, theirs] = [Keyring::generate().unwrap(), Keyring::generate().unwrap()];
    let sealed = ours.seal(&token(), &PLACE, Padding::None).unwrap();

    assert!(matches!(theirs.open(&sealed, &PLACE), Err(Error::UnknownKey { .. })));
}

#[test]
fn bytes_that_are_not_text_open_as_bytes_only() {
    let keyring = Keyring::generate().unwrap();
    let bytes = Secret::new(vec![0xff, 0x00, 0x80]);
    let sealed = keyring.seal(&bytes, &PLACE, Padding::None).unwrap();

    assert!(matches!(keyring.open(&sealed, &PLACE), Err(Error::NotText)));
    assert_eq!(keyring.open_bytes(&sealed, &PLACE).unwrap(), bytes);
}

#[test]
fn values_of_one_block_have_equal_length() {
    let keyring = Keyring::generate().unwrap();
    let padding = Padding::Blocks(std::num::NonZeroU16::new(64).unwrap());
    let length = |text: &str| {
        let sealed = keyring.seal(&Secret::from(text), &PLACE, padding).unwrap();
        sealed.as_str().len()
    };

    assert_eq!(length(""), length(&"x".repeat(63)));
    assert_ne!(length(""), length(&"x".repeat(64)));
}

/// A message key is a function of its salt, so distinct salts give distinct (key, nonce) pairs.
#[test]
fn a_million_seals_repeat_no_salt() {
    const SEALS: usize = 1 << 20;
    let keyring = Keyring::generate().unwrap();
    let salts: HashSet<SaltText> = std::thread::scope(|scope| {
        let halves = [(); 2].map(|()| scope.spawn(|| salts(&keyring, SEALS / 2)));
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });

    assert_eq!(salts.len(), SEALS);
}

/// The first 42 characters of a payload: 252 of the salt's 256 bits.
type SaltText = [u8; 42];

fn salts(keyring: &Keyring, seals: usize) -> Vec<SaltText> {
    let secret = Secret::new([0_u8; 1]);
    let salt = |_| {
        let sealed = keyring.seal(&secret, &PLACE, Padding::None).unwrap();
        let payload = sealed.as_str().rsplit('.').next().unwrap();
        *payload.as_bytes().first_chunk().unwrap()
    };
    (0..seals).map(salt).collect()
}

proptest! {
    #[test]
    fn every_sealed_value_opens(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        names in prop::array::uniform4(".{0,20}"),
        block in 1_u16..300,
    ) {
        let keyring = Keyring::generate().unwrap();
        let [table, column, row, owner] = &names;
        let place = Binding::new(table, column, row, owner);
        let secret = Secret::new(bytes);
        let blocks = Padding::Blocks(std::num::NonZeroU16::new(block).unwrap());

        for padding in [Padding::None, Padding::Padme, blocks] {
            let sealed = keyring.seal(&secret, &place, padding).unwrap();
            let read = Sealed::parse(sealed.as_str()).unwrap();
            prop_assert_eq!(&keyring.open_bytes(&read, &place).unwrap(), &secret);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(rylie1\\.)?[a-z0-9.]{0,40}\\.?[A-Za-z0-9_-]{0,200}") {
        let keyring = Keyring::generate().unwrap();
        let opened = Sealed::parse(text).and_then(|sealed| keyring.open(&sealed, &PLACE));
        prop_assert!(opened.is_err());
    }
}

mod commitment;
mod vectors;
