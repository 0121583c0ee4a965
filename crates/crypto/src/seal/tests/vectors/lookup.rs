//! Fingerprints, and the keys that derive from them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::blocks::check_json;
use super::keyring;
use crate::{Lookup, Normalisation};

#[derive(Deserialize, Serialize)]
struct Print {
    table: String,
    column: String,
    normalisation: String,
    tenant: Option<String>,
    value: String,
    #[serde(default)]
    fingerprint: String,
}

#[test]
fn fingerprints_are_as_documented() {
    check_json("fingerprints", |print: &mut Print| {
        let normalisation = match print.normalisation.as_str() {
            "exact" => Normalisation::Exact,
            "trim" => Normalisation::Trim,
            "trim-lowercase" => Normalisation::TrimLowercase,
            other => panic!("{other}"),
        };
        let (table, column, tenant) = (&*print.table, &*print.column, print.tenant.as_deref());
        let index = keyring().blind_index(&Lookup { table, column, tenant, normalisation }).unwrap();
        print.fingerprint = index.fingerprint(&print.value).unwrap().into_text();
    });
}

#[test]
fn the_document_names_the_version_of_unicode() {
    let (major, minor, _) = char::UNICODE_VERSION;
    let document = include_str!("../../../../../../docs/envelope-format.md");
    let named = format!("that of Unicode {major}.{minor},");
    assert!(document.contains(&named), "name this version in the document: {named}");
}

#[test]
fn white_space_and_lower_case_are_as_documented() {
    let listed = |c: char| {
        matches!(c, '\u{9}'..='\u{d}' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
            | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
    };
    for c in '\0'..=char::MAX {
        assert_eq!(c.to_string().trim().is_empty(), listed(c), "{c:?}");
        assert!(c.to_lowercase().count() == 1 || c == '\u{130}', "{c:?}");
    }
}

#[derive(Deserialize, Serialize)]
struct Derived {
    purpose: String,
    #[serde(default)]
    key: String,
    sha256: Option<String>,
    #[serde(default)]
    seal: Option<String>,
}

#[test]
fn derived_keys_are_as_documented() {
    check_json("derived", |derived: &mut Derived| {
        let lookup = Lookup { table: "", column: &derived.purpose, tenant: None, normalisation: Normalisation::Exact };
        derived.key = keyring().blind_index(&lookup).unwrap().fingerprint("key").unwrap().into_text();
        let key = hmac::Key::new(hmac::HMAC_SHA256, derived.key.as_bytes());
        let seal = |digest: &String| URL_SAFE_NO_PAD.encode(hmac::sign(&key, digest.as_bytes()));
        derived.seal = derived.sha256.as_ref().map(seal);
    });
}
