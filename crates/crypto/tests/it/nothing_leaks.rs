//! Plants a canary in every secret and searches for it in all printed output.

use std::error::Error as _;
use std::fmt::Debug;

use rylie_crypto::{
    Binding, ColumnCipher, ColumnPolicy, Error, Fingerprint, KeyFile, Keyring, LegacyForms, LegacyKey, Lookup,
    Normalisation, Padding, Sealed, Secret, Stored, Writes,
};

const PLACE: Binding<'static> = Binding::new("t", "c", "r", "a");
/// Serves as text, as base64url, and, doubled, as 32 bytes of a key.
const CANARY: &str = "canary4b7e9d1c3f5a6082";

/// Also checks base64, hexadecimal and a list of numbers, as in a dump.
fn assert_no_canary(shown: &str) {
    let hexadecimal = hex::encode(CANARY);
    let numbers = format!("{:?}", &CANARY.as_bytes()[..6]);
    for form in [CANARY, &hexadecimal, numbers.trim_matches(['[', ']']), "Y2FuYXJ5"] {
        assert!(!shown.contains(form), "{form} in {shown}");
    }
}

fn shown(value: &dyn Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn shown_error(error: &Error) -> String {
    let mut text = format!("{error} {}", shown(error));
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&shown(&cause));
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[test]
fn no_type_prints_its_secret() {
    let keyring = Keyring::generate().unwrap();
    let legacy = LegacyKey::new(&format!("{CANARY}{CANARY}").into()).unwrap();
    let policy = ColumnPolicy { accepts: LegacyForms::ALL, writes: Writes::Compat };
    let column = ColumnCipher::new(&keyring, Some(&legacy), policy).unwrap();
    let lookup = Lookup { table: "t", column: "c", tenant: None, normalisation: Normalisation::Exact };
    let index = keyring.blind_index(&lookup).unwrap();
    let sealed = keyring.seal(&Secret::from(CANARY), &PLACE, Padding::None).unwrap();
    let opened = column.open(CANARY, &PLACE);

    let values: [&dyn Debug; 14] = [
        &Secret::from(CANARY),
        &Secret::new(CANARY.as_bytes().to_vec()),
        &Some(Secret::from(CANARY)),
        &keyring,
        &keyring.to_text().unwrap(),
        &KeyFile::wrapped("keyring.json", &keyring),
        &legacy,
        &column,
        &policy,
        &index,
        &index.fingerprint(CANARY).unwrap(),
        &sealed,
        &Stored::new(CANARY),
        &opened,
    ];
    for value in values {
        assert_no_canary(&shown(value));
    }
    // Neither the key nor the ciphertext appears.
    let text = keyring.to_text().unwrap();
    let key = text.expose().split(r#""key":""#).nth(1).unwrap();
    assert!(!shown(&keyring).contains(&key[..43]));
    assert!(!shown(&sealed).contains(sealed.as_str().rsplit('.').next().unwrap()));
}

#[test]
fn no_error_contains_the_value() {
    let keyring = Keyring::generate().unwrap();
    let legacy = LegacyKey::new(&"l".repeat(32).into()).unwrap();
    let wrong = LegacyKey::new(&"w".repeat(32).into()).unwrap();
    let policy = ColumnPolicy { accepts: LegacyForms::ALL, writes: Writes::Compat };
    let column = ColumnCipher::new(&keyring, Some(&legacy), policy).unwrap();
    let misled = ColumnCipher::new(&keyring, Some(&wrong), policy).unwrap();
    let strict = ColumnCipher::new(&keyring, None, ColumnPolicy::default()).unwrap();
    let compat = column.seal(&Secret::from(CANARY), &PLACE).unwrap();
    let sealed = keyring.seal(&Secret::from(CANARY), &PLACE, Padding::None).unwrap();
    let bytes = [CANARY.as_bytes(), &[0xff]].concat();
    let bytes = keyring.seal(&Secret::new(bytes), &PLACE, Padding::None).unwrap();
    let document = |inside: &str| Keyring::parse(&format!(r#"{{"version":1,"keys":[{inside}]}}"#)).err();

    let errors = [
        Sealed::parse(CANARY).err(),
        Sealed::parse(format!("rylie1.k.{CANARY}")).err(),
        Sealed::parse(format!("rylie1.{CANARY}!.x")).err(),
        keyring.open(&sealed, &Binding::new("t", "c", "r", "b")).err(),
        keyring.open(&bytes, &PLACE).err(),
        Keyring::generate().unwrap().open(&sealed, &PLACE).err(),
        misled.open(compat.as_str(), &PLACE).err(),
        strict.open(CANARY, &PLACE).err(),
        strict.open(compat.as_str(), &PLACE).err(),
        column.open(&format!("{}:{CANARY}", "a".repeat(32)), &PLACE).err(),
        column.open(&format!("rylie1.{CANARY}"), &PLACE).err(),
        LegacyKey::new(&CANARY.into()).err(),
        Fingerprint::parse(CANARY).err(),
        Fingerprint::parse(format!("ryidx1.k.{CANARY}")).err(),
        Keyring::parse(CANARY).err(),
        Keyring::parse(&format!("\"{CANARY}\"")).err(),
        document(&format!("\"{CANARY}\"")),
        document(&format!(r#"{{"{CANARY}":1}}"#)),
        document(&format!(r#"{{"id":"a","state":"{CANARY}"}}"#)),
        document(&format!(r#"{{"id":"{CANARY}!","state":"active"}}"#)),
        document(&format!(r#"{{"id":"a","state":"active","key":"{CANARY}"}}"#)),
        document(&format!(r#"{{"id":"a","state":"active","key":"{CANARY}!"}}"#)),
        document(&format!(r#"{{"id":"a","state":"active","wrapped":"{CANARY}"}}"#)),
        document(&format!(r#"{{"id":"a","state":"destroyed","key":"{CANARY}"}}"#)),
        // "canarycanary..", 32 bytes of text.
        document(r#"{"id":"a","state":"active","key":"Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E"}"#),
    ];
    for (position, error) in errors.iter().enumerate() {
        let error = error.as_ref().unwrap_or_else(|| panic!("case {position} is not an error"));
        assert_no_canary(&shown_error(error));
    }
}
