//! Envelopes and keyrings that a reader refuses.

use serde::{Deserialize, Serialize};

use super::blocks::{self, check, check_json, read_json};
use super::{SALT, Vector, keyring};
use crate::{Error, Keyring, Sealed};

#[derive(Deserialize, Serialize)]
struct Refused {
    change: String,
    reason: String,
    envelope: String,
}

fn changed() -> Vec<(&'static str, String)> {
    let good = read_json::<Vector>("envelopes").remove(0).envelope;
    let start = good.rfind('.').unwrap() + 1;
    // Changes the first bit of a byte of the payload.
    let flip = |byte: usize| {
        let mut payload = Sealed::parse(&*good).unwrap().payload().unwrap();
        payload[byte] ^= 0x80;
        Sealed::write("vector-1", &payload).into_text()
    };
    let end = Sealed::parse(&*good).unwrap().payload().unwrap().len() - 1;
    vec![
        ("another version", good.replacen("rylie1", "rylie2", 1)),
        ("a line feed at the end", format!("{good}\n")),
        ("a padding character", format!("{good}=")),
        ("the alphabet of base64", good.replace('-', "+").replacen("vector+1", "vector-1", 1).replace('_', "/")),
        ("a field too many", format!("{good}.{}", &good[start..])),
        ("a key id with a capital", good.replacen("vector-1", "Vector-1", 1)),
        ("a payload of 80 bytes", Sealed::write("vector-1", &[0; 80]).into_text()),
        ("an unknown key", good.replacen("vector-1", "vector-2", 1)),
        ("a destroyed key", good.replacen("vector-1", "gone-0", 1)),
        ("another key of the keyring", good.replacen("vector-1", "older-1", 1)),
        ("a bit of the salt", flip(0)),
        ("a bit of the commitment", flip(SALT)),
        ("a bit of the ciphertext", flip(2 * SALT)),
        ("a bit of the tag", flip(end)),
    ]
}

fn reason(envelope: &str) -> &'static str {
    let vector = read_json::<Vector>("envelopes").remove(0);
    match Sealed::parse(envelope).and_then(|sealed| keyring().open(&sealed, &vector.binding())) {
        Err(Error::NotAnEnvelope { .. }) => "form",
        Err(Error::UnknownKey { .. } | Error::KeyDestroyed { .. }) => "key",
        Err(Error::NotAuthentic) => "authentic",
        other => panic!("{envelope}: {other:?}"),
    }
}

#[test]
fn false_envelopes_are_refused_as_documented() {
    let refused: Vec<_> = changed()
        .into_iter()
        .map(|(change, envelope)| Refused { change: change.to_owned(), reason: reason(&envelope).to_owned(), envelope })
        .collect();
    check("refused", |_| blocks::lines(&refused));
}

#[derive(Deserialize, Serialize)]
struct Document {
    fault: String,
    keyring: String,
    #[serde(default)]
    refused: bool,
}

#[test]
fn false_keyrings_are_refused_as_documented() {
    check_json("refused-keyrings", |document: &mut Document| {
        document.refused = Keyring::parse(&document.keyring).is_err();
        assert_eq!(document.refused, document.fault != "none", "{}", document.fault);
    });
}
