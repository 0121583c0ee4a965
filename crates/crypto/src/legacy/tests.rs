use super::*;
use crate::Error;

const NODE: &str = include_str!("../../tests/vectors/node.json");

#[derive(serde::Deserialize)]
struct Vectors {
    key: String,
    values: Vec<Value>,
}

#[derive(serde::Deserialize)]
struct Value {
    plain: String,
    cbc: String,
    gcm: String,
}

fn vectors() -> (LegacyKey, Vec<Value>) {
    let vectors: Vectors = serde_json::from_str(NODE).unwrap();
    (LegacyKey::new(&vectors.key.into()).unwrap(), vectors.values)
}

#[test]
fn values_written_by_node_open() {
    let (key, values) = vectors();
    for Value { plain, cbc, gcm } in values {
        assert_eq!(form_of(&cbc), Some(StoredForm::LegacyCbc));
        assert_eq!(form_of(&gcm), Some(StoredForm::LegacyGcm));
        assert_eq!(key.open_cbc(&cbc).unwrap().expose(), &plain);
        assert_eq!(key.open_gcm(&gcm).unwrap().expose(), &plain);
    }
}

#[test]
fn a_value_sealed_for_the_platform_has_its_form_and_opens() {
    let (key, values) = vectors();
    for plain in values.into_iter().map(|value| Secret::from(value.plain)) {
        let text = key.seal_gcm(&plain).unwrap();
        assert_eq!(form_of(&text), Some(StoredForm::LegacyGcm));
        assert!(!text.contains(|letter: char| letter.is_ascii_uppercase()));
        assert_eq!(key.open_gcm(&text).unwrap(), plain);
        assert_ne!(key.seal_gcm(&plain).unwrap(), text);
    }
}

#[test]
fn a_changed_gcm_value_does_not_open() {
    let (key, values) = vectors();
    let text = &values[2].gcm;
    for position in text.char_indices().filter(|(_, letter)| *letter != ':').map(|(at, _)| at) {
        let digit = if text.as_bytes()[position] == b'0' { "1" } else { "0" };
        let mut changed = text.clone();
        changed.replace_range(position..=position, digit);
        assert!(matches!(key.open_gcm(&changed), Err(Error::LegacyUnreadable { form: StoredForm::LegacyGcm })));
    }
}

#[test]
fn a_wrong_key_opens_neither() {
    let (_, values) = vectors();
    let wrong = LegacyKey::new(&"w".repeat(40).into()).unwrap();
    for value in values {
        assert!(wrong.open_cbc(&value.cbc).is_err());
        assert!(wrong.open_gcm(&value.gcm).is_err());
    }
}
