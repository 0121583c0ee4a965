//! Lookup of a sealed value by equality.

use rylie_crypto::{Error, Fingerprint, Keyring, Lookup, Normalisation};

const API_KEY: Lookup<'static> =
    Lookup { table: "User", column: "apiKey", tenant: None, normalisation: Normalisation::Exact };

#[test]
fn equal_values_have_equal_fingerprints() {
    let index = Keyring::generate().unwrap().blind_index(&API_KEY).unwrap();
    assert_eq!(index.fingerprint("key-1").unwrap(), index.fingerprint("key-1").unwrap());
    assert_ne!(index.fingerprint("key-1").unwrap(), index.fingerprint("key-2").unwrap());
}

#[test]
fn fingerprints_of_different_lookups_never_match() {
    let keyring = Keyring::generate().unwrap();
    let lookups = [
        API_KEY,
        Lookup { table: "Account", ..API_KEY },
        Lookup { column: "email", ..API_KEY },
        Lookup { tenant: Some(""), ..API_KEY },
        Lookup { tenant: Some("agency-1"), ..API_KEY },
        Lookup { tenant: Some("agency-2"), ..API_KEY },
        Lookup { normalisation: Normalisation::Trim, ..API_KEY },
        Lookup { normalisation: Normalisation::TrimLowercase, ..API_KEY },
    ];
    let prints = lookups.map(|lookup| keyring.blind_index(&lookup).unwrap().fingerprint("x").unwrap());
    for (position, print) in prints.iter().enumerate() {
        assert!(!prints[..position].contains(print), "{:?}", lookups[position]);
    }
}

#[test]
fn values_are_normalised_as_declared() {
    let keyring = Keyring::generate().unwrap();
    let equal = |normalisation, one: &str, two: &str| {
        let index = keyring.blind_index(&Lookup { normalisation, ..API_KEY }).unwrap();
        index.fingerprint(one).unwrap() == index.fingerprint(two).unwrap()
    };

    assert!(!equal(Normalisation::Exact, "a", "a "));
    assert!(equal(Normalisation::Trim, "a", "\t a\n"));
    assert!(!equal(Normalisation::Trim, "a", "A"));
    assert!(equal(Normalisation::TrimLowercase, "GRÜSSE@x.de ", "grüsse@x.de"));
}

#[test]
fn during_a_rotation_a_value_is_found_under_both_keys() {
    let mut keyring = Keyring::generate().unwrap();
    let old_key = keyring.active().unwrap().clone();
    let stored = keyring.blind_index(&API_KEY).unwrap().fingerprint("key-1").unwrap();

    keyring.rotate().unwrap();
    let index = keyring.blind_index(&API_KEY).unwrap();
    let candidates = index.candidates("key-1");
    assert_eq!(candidates.len(), 2);
    assert_eq!(candidates[0], index.fingerprint("key-1").unwrap(), "the active key's is first");
    assert_eq!(candidates[1], stored);
    assert!(index.confirm(&stored, "key-1").unwrap());
    assert!(!index.confirm(&stored, "key-2").unwrap());

    keyring.destroy(&old_key).unwrap();
    let index = keyring.blind_index(&API_KEY).unwrap();
    assert_eq!(index.candidates("key-1").len(), 1);
    assert!(matches!(index.confirm(&stored, "key-1"), Err(Error::UnknownKey { .. })));
}

#[test]
fn a_fingerprint_has_one_accepted_spelling() {
    let index = Keyring::generate().unwrap().blind_index(&API_KEY).unwrap();
    let text = index.fingerprint("key-1").unwrap().into_text();
    assert!(index.confirm(&Fingerprint::parse(&*text).unwrap(), "key-1").unwrap());

    let others = [
        String::new(),
        format!("{text}A"),
        format!("{text}="),
        text[..text.len() - 1].to_owned(),
        text.replace("ryidx1", "ryidx2"),
        text.replacen('.', "", 1),
    ];
    for other in others {
        assert!(matches!(Fingerprint::parse(&*other), Err(Error::NotAFingerprint)), "{other}");
    }
}
