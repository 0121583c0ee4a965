use super::*;

const KEY: &str = "r7ssH3mFNSYnDxUbXIOpkZhKf8nlDX3uy1cfB9y-Ick";
const OTHER: &str = "h1vX2rIkC0eUuJ8nQmF5yTzWbLdPaGs7oK3iE9fN6Ho";

fn document(entries: &[&str]) -> String {
    format!(r#"{{"version":1,"keys":[{}]}}"#, entries.join(","))
}

fn entry(id: &str, state: &str, key: &str) -> String {
    format!(r#"{{"id":"{id}","state":"{state}","key":"{key}"}}"#)
}

fn parse(entries: &[String]) -> Result<Keyring> {
    let entries: Vec<_> = entries.iter().map(String::as_str).collect();
    Keyring::parse(&document(&entries))
}

#[test]
fn a_keyring_opens_its_values_after_it_is_written_and_read() {
    let mut keyring = Keyring::generate().unwrap();
    let place = crate::Binding::new("t", "c", "r", "a");
    let sealed = keyring.seal(&Secret::from("token"), &place, crate::Padding::None).unwrap();
    let first = keyring.active().unwrap().clone();
    keyring.rotate().unwrap();
    let third = keyring.rotate().unwrap();

    let read = Keyring::parse(keyring.to_text().unwrap().expose()).unwrap();

    assert_eq!(read.open(&sealed, &place).unwrap().expose(), "token");
    assert_eq!(read.active().unwrap(), &third);
    let states: Vec<_> = read.keys().map(|(id, state)| (id.clone(), state)).collect();
    assert_eq!(states[0], (first, KeyState::DecryptOnly));
    assert_eq!((states.len(), states[2].1), (3, KeyState::Active));
}

#[test]
fn an_array_in_place_of_an_object_is_refused() {
    let entry = entry("k1", "active", KEY);
    assert!(Keyring::parse(&document(&[&entry])).is_ok());
    for text in [format!("[1,[{entry}]]"), document(&[&format!(r#"["k1","active","{KEY}"]"#)])] {
        assert!(matches!(Keyring::parse(&text), Err(Error::KeyringSyntax { line: 1, .. })), "{text}");
    }
}

#[test]
fn only_the_id_of_a_destroyed_key_remains() {
    let mut keyring = Keyring::generate().unwrap();
    let old = keyring.active().unwrap().clone();
    keyring.rotate().unwrap();

    keyring.destroy(&old).unwrap();

    let text = keyring.to_text().unwrap();
    assert!(text.expose().contains(&format!(r#"{{"id":"{old}","state":"destroyed"}}"#)));
    assert!(matches!(Keyring::parse(text.expose()).unwrap().material(old.as_str()), Err(Error::KeyDestroyed { .. })));
}

#[test]
fn the_active_key_and_unknown_keys_are_not_destroyed() {
    let mut keyring = Keyring::generate().unwrap();
    let active = keyring.active().unwrap().clone();

    assert!(matches!(keyring.destroy(&active), Err(Error::KeyIsActive { .. })));
    assert!(matches!(keyring.destroy(&"no-such".parse().unwrap()), Err(Error::UnknownKey { .. })));
}

#[test]
fn exactly_one_key_is_active() {
    for (states, expected) in [(["decrypt-only", "decrypt-only"], 0), (["active", "active"], 2)] {
        let outcome = parse(&[entry("a", states[0], KEY), entry("b", states[1], OTHER)]);
        assert!(matches!(outcome, Err(Error::ActiveKeys { count }) if count == expected));
    }
    assert!(matches!(parse(&[]), Err(Error::ActiveKeys { count: 0 })));
}

#[test]
fn duplicate_ids_and_keys_are_refused() {
    let same_id = parse(&[entry("a", "active", KEY), entry("a", "decrypt-only", OTHER)]);
    assert!(matches!(same_id, Err(Error::DuplicateKeyId { .. })));

    let same_key = parse(&[entry("a", "active", KEY), entry("b", "decrypt-only", KEY)]);
    assert!(matches!(same_key, Err(Error::DuplicateKey { .. })));

    let reused = parse(&[r#"{"id":"a","state":"destroyed"}"#.to_owned(), entry("a", "active", KEY)]);
    assert!(matches!(reused, Err(Error::DuplicateKeyId { .. })));
}

#[test]
fn weak_keys_are_refused() {
    use base64::Engine;
    let keys: [&[u8]; 5] = [b"", &[0x5a; 32], &[7; 16], &[0x5a; 33], b"correct horse battery staple 123"];
    for key in keys {
        let spelled = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key);
        let outcome = parse(&[entry("a", "active", &spelled)]);
        assert!(matches!(outcome, Err(Error::WeakKey { .. })), "{key:?}");
    }
}

#[test]
fn documents_that_are_not_a_keyring_are_refused() {
    let texts = [
        String::new(),
        KEY.to_owned(),
        "[]".to_owned(),
        r#"{"version":2,"keys":[]}"#.to_owned(),
        r#"{"version":1}"#.to_owned(),
        format!(r#"{{"version":1,"keys":[],"{KEY}":1}}"#),
        document(&[&entry("a", KEY, KEY)]),
        document(&[&format!(r#"{{"id":"a","state":"active","secret":"{KEY}"}}"#)]),
        document(&[&entry("a", "active", KEY)]) + "x",
    ];
    for text in texts {
        let outcome = Keyring::parse(&text);
        let Err(error @ Error::KeyringSyntax { .. }) = outcome else {
            panic!("{text}: {outcome:?}");
        };
        assert!(!format!("{error} {error:?}").contains(KEY));
    }
}

#[test]
fn entries_that_contradict_themselves_are_refused() {
    let provider = Keyring::generate().unwrap();
    let plain = document(&[&entry("a", "active", KEY)]);
    let wrapped = Keyring::parse(&plain).unwrap().to_wrapped_text(&provider).unwrap();
    let outcomes = [
        parse(&[entry("a", "active", "not base64url!")]),
        parse(&[entry("a", "destroyed", KEY)]),
        parse(&[r#"{"id":"a","state":"active"}"#.to_owned()]),
        Keyring::parse(wrapped.expose()),
        Keyring::parse_wrapped(&plain, &provider),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(Error::KeyringEntry { .. })), "{outcome:?}");
    }
    assert!(matches!(parse(&[entry("A", "active", KEY)]), Err(Error::BadKeyId)));
}

#[test]
fn a_keyring_wraps_the_keys_of_another() {
    let provider = Keyring::generate().unwrap();
    let mut keyring = Keyring::generate().unwrap();
    keyring.rotate().unwrap();

    let text = keyring.to_wrapped_text(&provider).unwrap();

    let key = keyring.to_text().unwrap();
    let key = key.expose().split(r#""key":""#).nth(1).unwrap();
    assert!(!text.expose().contains(&key[..43]));
    let read = Keyring::parse_wrapped(text.expose(), &provider).unwrap();
    assert_eq!(read.to_text().unwrap(), keyring.to_text().unwrap());
}

#[test]
fn a_wrapped_key_is_bound_to_its_id_and_its_provider() {
    let provider = Keyring::generate().unwrap();
    let keyring = Keyring::generate().unwrap();
    let text = keyring.to_wrapped_text(&provider).unwrap();
    let renamed = text.expose().replace(keyring.active().unwrap().as_str(), "another");

    let outcome = Keyring::parse_wrapped(&renamed, &provider);
    assert!(matches!(outcome, Err(Error::Provider { .. })));

    let outcome = Keyring::parse_wrapped(text.expose(), &Keyring::generate().unwrap());
    assert!(matches!(outcome, Err(Error::Provider { .. })));
}

#[test]
fn the_environment_may_hold_a_keyring() {
    let missing = Keyring::from_env("RYLIE_CRYPTO_TEST_NO_SUCH_VARIABLE");
    assert!(matches!(missing, Err(Error::Environment { .. })));
    // cargo sets this variable, and it is not a keyring.
    assert!(matches!(Keyring::from_env("CARGO_PKG_NAME"), Err(Error::KeyringSyntax { .. })));
}

#[test]
fn debug_shows_ids_and_states() {
    let keyring = parse(&[entry("old", "decrypt-only", KEY), entry("new", "active", OTHER)]).unwrap();
    assert_eq!(format!("{keyring:?}"), r#"Keyring {KeyId("old"): DecryptOnly, KeyId("new"): Active}"#);
}
