//! `rylie keys`

use crate::support::Folder;

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

    folder.run(["keys", "generate", "--out", RING]).expect(4).says("there is one already");

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
fn a_keyring_that_is_not_named_or_not_there_is_told() {
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
    assert_eq!(keys.len(), 2, "the test knows the keys when it sees them");
    for outcome in [made, rotated, listed] {
        assert!(keys.iter().all(|key| !outcome.out.contains(key) && !outcome.err.contains(key)));
    }
}
