//! `rylie keys`

use crate::support::{Folder, Outcome};

const RING: &str = "keyring.json";

#[test]
fn a_new_keyring_is_for_its_owner_alone() {
    let folder = Folder::new();

    let json = folder.run_with("RYLIE_KEYRING", RING, ["keys", "generate", "--json"]).expect(0).json();

    let list = folder.run_with("RYLIE_KEYRING", RING, ["keys", "list", "--json"]).expect(0).json();
    assert_eq!(list["keys"][0]["id"], json["key"]);
    assert_eq!(list["keys"][0]["state"], "active");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(folder.path(RING)).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}

#[test]
fn a_keyring_is_never_overwritten() {
    let folder = Folder::new();
    folder.run(["keys", "generate", "--out", RING]).expect(0);
    let before = std::fs::read(folder.path(RING)).unwrap();

    folder.run(["keys", "generate", "--out", RING]).expect(4).says("it exists already");

    assert_eq!(std::fs::read(folder.path(RING)).unwrap(), before);
}

#[test]
fn a_flag_goes_over_the_environment_for_where_to_write() {
    let folder = Folder::new();
    folder.run_with("RYLIE_KEYRING", RING, ["keys", "generate", "--out", "other.json"]).expect(0);
    assert!(folder.path("other.json").exists() && !folder.path(RING).exists());
}

#[test]
fn rotating_makes_a_new_key_active_and_keeps_the_old_one() {
    let folder = Folder::new();
    folder.write("rylie.toml", "keyring = 'keyring.json'\n");
    let old = folder.run(["keys", "generate", "--json"]).expect(0).json();

    let new = folder.run(["keys", "rotate", "--json"]).expect(0).json();

    let list = folder.run(["keys", "list", "--json"]).expect(0).json();
    let keys: Vec<_> =
        list["keys"].as_array().unwrap().iter().map(|key| (&key["id"], key["state"].as_str().unwrap())).collect();
    assert_eq!(keys, [(&old["key"], "decrypt-only"), (&new["key"], "active")]);
}

#[test]
fn a_keyring_that_is_not_named_or_not_there_is_reported() {
    let folder = Folder::new();
    folder.run(["keys", "list"]).expect(2).says("RYLIE_KEYRING");
    folder.run(["keys", "generate"]).expect(2).says("RYLIE_KEYRING");
    folder.run_with("RYLIE_KEYRING", "nowhere.json", ["keys", "list"]).expect(1).says("nowhere.json");
    folder.run_with("RYLIE_KEYRING", "nowhere.json", ["keys", "rotate"]).expect(1).says("nowhere.json");
}

#[test]
fn no_output_holds_a_key() {
    let folder = Folder::new();
    let made = folder.run(["keys", "generate", "--out", RING, "-vv"]).expect(0);
    let rotated = folder.run_with("RYLIE_KEYRING", RING, ["keys", "rotate", "-vv"]).expect(0);
    let listed = folder.run_with("RYLIE_KEYRING", RING, ["keys", "list", "-vv", "--json"]).expect(0);

    let ring: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path(RING)).unwrap()).unwrap();
    let long = |text: &str| text.split('"').filter(|word| word.len() > 30).map(str::to_owned).collect::<Vec<_>>();
    let keys = long(&ring.to_string());
    assert_eq!(keys.len(), 2, "the test found both keys in the file");
    for outcome in [made, rotated, listed] {
        assert!(keys.iter().all(|key| !outcome.out.contains(key) && !outcome.err.contains(key)));
    }
}

#[cfg(unix)]
#[test]
fn a_keyring_that_others_may_read_is_refused_by_every_command() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::migrated();
    folder.run(["keys", "generate", "--out", RING]).expect(0);
    std::fs::set_permissions(folder.path(RING), std::fs::Permissions::from_mode(0o644)).unwrap();

    for command in ["list", "rotate", "report", "reencrypt"] {
        folder.run_with("RYLIE_KEYRING", RING, ["keys", command]).expect(1).says("chmod 600");
    }
    assert_eq!(std::fs::metadata(folder.path(RING)).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_keyring_that_is_none_is_refused_without_a_word_of_it() {
    let folder = Folder::migrated();
    folder.run(["keys", "generate", "--out", RING]).expect(0);
    let whole = std::fs::read_to_string(folder.path(RING)).unwrap();
    let key = whole.split(r#""key":""#).nth(1).unwrap()[..43].to_owned();
    let broken = [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole[..whole.len() - 3].to_owned(),
        whole.clone() + &whole,
        whole.replace(r#""version":1"#, r#""version":2"#),
        whole.replace(&key, &key[..42]),
        whole.replace(&key, &"A".repeat(43)),
        whole.replace("active", "decrypt-only"),
        whole.replace(r#""keys""#, &format!(r#""{key}":1,"keys""#)),
        format!("{key}\n"),
        "\u{0}\u{1}".to_owned(),
    ];
    for text in broken {
        // Overwrite the existing file, so that its mode stays.
        std::fs::write(folder.path(RING), &text).unwrap();
        for command in ["list", "rotate", "reencrypt", "report"] {
            let outcome = folder.run_with("RYLIE_KEYRING", RING, ["keys", command, "-v"]).expect(1);
            assert!(outcome.out.is_empty() && !outcome.err.contains(&key[..20]), "{text}: {outcome:#?}");
            assert!(!outcome.err.contains("panicked"), "{outcome:#?}");
        }
        assert_eq!(std::fs::read_to_string(folder.path(RING)).unwrap(), text, "the file is unchanged");
    }
}

#[test]
fn rotations_at_the_same_time_lose_no_key() {
    let folder = Folder::new();
    folder.write("rylie.toml", "keyring = 'keyring.json'\n");
    folder.run(["keys", "generate"]).expect(0);

    let rotations: Vec<_> = (0..6).map(|_| folder.start(["keys", "rotate", "--json"])).collect();
    let made: Vec<_> = rotations
        .into_iter()
        .map(|child| Outcome::of(child.wait_with_output().unwrap()).expect(0).json()["key"].clone())
        .collect();

    let list = folder.run(["keys", "list", "--json"]).expect(0).json();
    let keys = list["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 7);
    assert_eq!(keys.iter().filter(|key| key["state"] == "active").count(), 1);
    assert!(made.iter().all(|key| keys.iter().any(|known| known["id"] == *key)), "{list:#}");
}

#[test]
fn the_active_key_an_unknown_one_and_a_destroyed_one_are_not_destroyed() {
    let folder = Folder::migrated();
    folder.write("rylie.toml", "keyring = 'keyring.json'\n");
    let old = folder.run(["keys", "generate", "--json"]).expect(0).json()["key"].as_str().unwrap().to_owned();
    folder.run(["keys", "destroy", &old]).expect(4).says("it is the active key");
    folder.run(["keys", "destroy", "no-such-key"]).expect(1).says("this keyring has no such key");
    folder.run(["keys", "destroy", "NOT A KEY ID"]).expect(2);
    folder.run(["keys", "rotate"]).expect(0);

    let destroyed = folder.run(["keys", "destroy", &old, "--json"]).expect(0).json();

    assert_eq!(destroyed["destroyed"], old);
    folder.run(["keys", "destroy", &old]).expect(1);
    let list = folder.run(["keys", "list", "--json"]).expect(0).json();
    assert_eq!(list["keys"][0]["state"], "destroyed");
    assert_eq!(list["keys"][1]["state"], "active");
}
