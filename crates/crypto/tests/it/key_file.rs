//! A keyring in a file.

use std::fs;

use rylie_crypto::{Error, KeyFile, Keyring};
use tempfile::{TempDir, tempdir};

fn created() -> (TempDir, std::path::PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    KeyFile::new(&path).create(&Keyring::generate().unwrap()).unwrap();
    (folder, path)
}

#[test]
fn a_created_file_loads() {
    let folder = tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("keyring.json"));
    let keyring = Keyring::generate().unwrap();

    file.create(&keyring).unwrap();

    assert_eq!(file.load().unwrap().to_text().unwrap(), keyring.to_text().unwrap());
}

#[test]
fn a_keyring_is_never_created_over_another() {
    let (_folder, path) = created();
    let before = fs::read(&path).unwrap();

    let outcome = KeyFile::new(&path).create(&Keyring::generate().unwrap());

    assert!(matches!(outcome, Err(Error::KeyFileExists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_access_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let (_folder, path) = created();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    for mode in [0o640, 0o604, 0o660, 0o620, 0o602, 0o601, 0o644, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let outcome = KeyFile::new(&path).load();
        assert!(matches!(outcome, Err(Error::KeyFileExposed { mode: found, .. }) if found == mode));
    }
    for mode in [0o600, 0o400, 0o700] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(KeyFile::new(&path).load().is_ok());
    }
}

#[test]
fn a_failed_change_leaves_the_file_unchanged_and_no_draft() {
    let (folder, path) = created();
    let before = fs::read(&path).unwrap();

    let outcome = KeyFile::new(&path).update(|keyring| {
        keyring.rotate()?;
        let active = keyring.active()?.clone();
        keyring.destroy(&active)
    });

    assert!(matches!(outcome, Err(Error::KeyIsActive { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["keyring.json", "keyring.json.lock"]);
}

#[test]
fn concurrent_rotations_lose_no_key() {
    let (_folder, path) = created();

    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| KeyFile::new(&path).update(Keyring::rotate).unwrap());
        }
    });

    assert_eq!(KeyFile::new(&path).load().unwrap().keys().count(), 9);
}

#[test]
fn a_wrapped_file_opens_with_its_provider_only() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keyring.json");
    let provider = Keyring::generate().unwrap();
    let keyring = Keyring::generate().unwrap();
    KeyFile::wrapped(&path, &provider).create(&keyring).unwrap();
    KeyFile::wrapped(&path, &provider).update(Keyring::rotate).unwrap();

    assert_eq!(KeyFile::wrapped(&path, &provider).load().unwrap().keys().count(), 2);
    assert!(matches!(KeyFile::new(&path).load(), Err(Error::KeyringEntry { .. })));
    let other = Keyring::generate().unwrap();
    assert!(matches!(KeyFile::wrapped(&path, &other).load(), Err(Error::Provider { .. })));
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempdir().unwrap();
    let outcome = KeyFile::new(folder.path().join("none.json")).load();
    let Err(error @ Error::KeyFile { .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(error.to_string().contains("none.json"));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_a_regular_file_is_refused_without_waiting() {
    let folder = tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();

    for path in [folder.path(), &socket, std::path::Path::new("/dev/zero")] {
        let outcome = KeyFile::new(path).load();
        assert!(matches!(&outcome, Err(Error::KeyFile { source, .. }) if source.to_string().contains("regular file")));
    }
}

#[cfg(unix)]
#[test]
fn a_change_through_a_link_changes_its_target() {
    let (folder, path) = created();
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();

    KeyFile::new(&link).update(Keyring::rotate).unwrap();

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(KeyFile::new(&path).load().unwrap().keys().count(), 2);
}

#[test]
fn a_change_of_a_missing_file_leaves_no_lock_file() {
    let folder = tempdir().unwrap();
    assert!(KeyFile::new(folder.path().join("none.json")).update(Keyring::rotate).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
