//! The README's test vectors match this crate's output.

use super::*;

const README: &str = include_str!("../../../README.md");
const PLACE: Binding<'static> = Binding::new("GA4Connection", "accessToken", "cmwt6ln8p00xjeg7dn14141ug", "agency-1");

fn keyring() -> Keyring {
    Keyring::parse(
        r#"{"version":1,"keys":[{"id":"vector-1","state":"active","key":"r7ssH3mFNSYnDxUbXIOpkZhKf8nlDX3uy1cfB9y-Ick"}]}"#,
    )
    .unwrap()
}

fn salt() -> [u8; SALT] {
    std::array::from_fn(|position| u8::try_from(position).unwrap())
}

fn check(secret: &str, padding: Padding) {
    let sealed = keyring().seal_with(salt(), secret.as_bytes(), &PLACE, padding).unwrap();

    assert!(README.contains(sealed.as_str()), "not in the README: {}", sealed.as_str());
    assert_eq!(keyring().open(&sealed, &PLACE).unwrap().expose(), secret);
}

#[test]
fn vector_1_a_token() {
    check("ya29.example", Padding::None);
}

#[test]
fn vector_2_the_empty_text() {
    check("", Padding::None);
}

#[test]
fn vector_3_a_block_of_64() {
    check("grüße", Padding::Blocks(std::num::NonZeroU16::new(64).unwrap()));
}

#[test]
fn the_readme_shows_the_steps_of_vector_1() {
    let keyring = keyring();
    let (id, material) = keyring.active_material().unwrap();
    let key = MessageKey::derive(id, material, &salt()).unwrap();
    let aad = PLACE.associated_data(VERSION, id.as_str());

    let steps = [&key.0[COMMIT_LABEL.len()..], key.commitment().as_ref(), &aad].map(hex::encode);
    for step in steps {
        assert!(README.contains(&step), "not in the README: {step}");
    }
}

#[test]
fn the_readme_shows_the_fingerprint() {
    let lookup =
        crate::Lookup { table: "User", column: "apiKey", tenant: None, normalisation: crate::Normalisation::Exact };
    let print = keyring().blind_index(&lookup).unwrap().fingerprint("key-1").unwrap();

    assert!(README.contains(print.as_str()), "not in the README: {}", print.as_str());
}
