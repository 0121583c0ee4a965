//! A column that still accepts legacy forms.

use std::num::NonZeroU16;

use rylie_crypto::{
    Binding, ColumnCipher, ColumnPolicy, Error, Keyring, LegacyForms, LegacyKey, Padding, Secret, StoredForm, Writes,
};

const PLACE: Binding<'static> = Binding::new("GA4Connection", "accessToken", "row-1", "agency-1");
const ENCRYPTION_KEY: &str = "vector-Zk3q9X7w1B5n8M2c4V6t-ours-only-ümlaut";
/// Both contain `short`, encrypted by node's crypto (tests/vectors).
const CBC: &str = "869465ce9113385d10ce2fc9bb0815d1:06606ebe0efc2266cb2bebb72074b2b2";
const GCM: &str = "a7517ecd74b6eb3346ba44e0e94d9677:8174dc9dd0ce1708a9313ec30a246f1f:38c48e700f";

fn legacy_key() -> LegacyKey {
    LegacyKey::new(&ENCRYPTION_KEY.into()).unwrap()
}

fn adopted() -> ColumnPolicy {
    ColumnPolicy { accepts: LegacyForms::ALL, writes: Writes::default() }
}

#[test]
fn an_adopted_column_opens_every_form() {
    let (keyring, legacy) = (Keyring::generate().unwrap(), legacy_key());
    let column = ColumnCipher::new(&keyring, Some(&legacy), adopted()).unwrap();
    let ours = column.seal(&"short".into(), &PLACE).unwrap();

    for (text, form) in [
        (CBC, StoredForm::LegacyCbc),
        (GCM, StoredForm::LegacyGcm),
        ("short", StoredForm::Plain),
        (ours.as_str(), StoredForm::Sealed),
    ] {
        let (secret, found) = column.open(text, &PLACE).unwrap();
        assert_eq!((secret.expose().as_str(), found), ("short", form));
    }
}

#[test]
fn forms_outside_the_policy_are_refused() {
    let (keyring, legacy) = (Keyring::generate().unwrap(), legacy_key());
    let column = ColumnCipher::new(&keyring, Some(&legacy), ColumnPolicy::default()).unwrap();

    for text in [CBC, GCM, "short", ""] {
        let outcome = column.open(text, &PLACE);
        assert!(matches!(outcome, Err(Error::FormNotAccepted { form }) if form == StoredForm::of(text)));
    }
}

#[test]
fn a_value_that_does_not_decrypt_is_never_plain_text() {
    let (keyring, legacy) = (Keyring::generate().unwrap(), legacy_key());
    let column = ColumnCipher::new(&keyring, Some(&legacy), adopted()).unwrap();

    let bad_padding = CBC.replace(":06", ":07");
    let outcome = column.open(&bad_padding, &PLACE);
    assert!(matches!(outcome, Err(Error::LegacyUnreadable { form: StoredForm::LegacyCbc })));

    let bad_tag = GCM.replace(":81", ":82");
    let outcome = column.open(&bad_tag, &PLACE);
    assert!(matches!(outcome, Err(Error::LegacyUnreadable { form: StoredForm::LegacyGcm })));

    for damaged in [&CBC[..64], &GCM[..69], "rylie1.cut", "rylie9.key.payload"] {
        assert!(matches!(column.open(damaged, &PLACE), Err(Error::Damaged)), "{damaged}");
    }
}

#[test]
fn no_bit_flip_of_an_envelope_opens_even_where_plain_text_is_accepted() {
    let keyring = Keyring::generate().unwrap();
    let accepts = LegacyForms { plain: true, ..LegacyForms::NONE };
    let policy = ColumnPolicy { accepts, writes: Writes::default() };
    let column = ColumnCipher::new(&keyring, None, policy).unwrap();
    let text = column.seal(&"short".into(), &PLACE).unwrap().into_text();

    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(flipped) = String::from_utf8(bytes) {
            assert!(column.open(&flipped, &PLACE).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn a_compatible_column_writes_the_platforms_form() {
    let (keyring, legacy) = (Keyring::generate().unwrap(), legacy_key());
    let policy = ColumnPolicy { accepts: LegacyForms::ALL, writes: Writes::Compat };
    let column = ColumnCipher::new(&keyring, Some(&legacy), policy).unwrap();

    let stored = column.seal(&Secret::from("grüße"), &PLACE).unwrap();

    assert_eq!(stored.form(), StoredForm::LegacyGcm);
    assert_eq!(column.open(stored.as_str(), &PLACE).unwrap().0.expose(), "grüße");
}

#[test]
fn a_column_pads_according_to_its_policy() {
    let keyring = Keyring::generate().unwrap();
    let writes = Writes::Sealed(Padding::Blocks(NonZeroU16::new(256).unwrap()));
    let policy = ColumnPolicy { writes, ..ColumnPolicy::default() };
    let column = ColumnCipher::new(&keyring, None, policy).unwrap();
    let length = |text: &str| column.seal(&text.into(), &PLACE).unwrap().as_str().len();

    assert_eq!(length("short"), length(&"x".repeat(255)));
}

#[test]
fn policies_that_cannot_work_are_refused() {
    let (keyring, legacy) = (Keyring::generate().unwrap(), legacy_key());
    let outcome = ColumnCipher::new(&keyring, None, adopted());
    assert!(matches!(outcome, Err(Error::LegacyKeyMissing)));

    let unread = ColumnPolicy { accepts: LegacyForms::NONE, writes: Writes::Compat };
    let outcome = ColumnCipher::new(&keyring, Some(&legacy), unread);
    assert!(matches!(outcome, Err(Error::PolicyContradiction)));
}
