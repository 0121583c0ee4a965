//! Keys and checkpoints in files.

use std::fs;

use rylie_audit::{Checkpoint, CheckpointSink, Digest, Error, FileSink, SignedCheckpoint, SigningKey};

fn checkpoint(batch: u64, key: &SigningKey) -> SignedCheckpoint {
    let time = "2026-11-24T00:00:00Z".parse().unwrap();
    let (root, previous) = (Digest::of(&[]), Digest::NONE);
    Checkpoint { database: "d".into(), batch, time, records: 0, total: 0, tenants: 0, removed: 0, root, previous }
        .sign(key)
}

#[test]
fn a_key_is_read_as_it_was_written_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let key = SigningKey::create(&path).unwrap();

    assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    assert!(SigningKey::create(&path).is_err());
    assert!(!format!("{key:?}").contains(fs::read_to_string(&path).unwrap().lines().nth(1).unwrap()));
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    SigningKey::create(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

    assert!(matches!(SigningKey::load(&path), Err(Error::Exposed { .. })));
}

#[test]
fn a_checkpoint_torn_by_a_crash_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (key, sink) =
        (SigningKey::create(&folder.path().join("key")).unwrap(), FileSink(folder.path().join("checkpoints")));
    let (first, second) = (checkpoint(1, &key), checkpoint(2, &key));
    sink.keep(&first).unwrap();
    let whole = fs::read_to_string(&sink.0).unwrap();
    let text = second.to_text();
    for end in 1..text.len() {
        fs::write(&sink.0, format!("{whole}{}", &text[..end])).unwrap();

        assert_eq!(sink.last().unwrap(), Some(first.clone()), "{end}");
        sink.keep(&second).unwrap();
        assert_eq!(fs::read_to_string(&sink.0).unwrap(), format!("{whole}{text}"), "{end}");
    }
    assert_eq!(SignedCheckpoint::parse_all(&format!("{whole}{text}")).unwrap(), [first, second]);
}

#[test]
fn a_file_that_holds_something_else_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    let key = SigningKey::create(&key_file).unwrap();
    let sealed = checkpoint(1, &key);
    let notes = format!("{}a note of mine\n", sealed.to_text());
    for (name, text) in
        [("key", fs::read_to_string(&key_file).unwrap()), ("notes", notes), ("long", "1\n".repeat(9_000))]
    {
        let sink = FileSink(folder.path().join(name));
        fs::write(&sink.0, &text).unwrap();

        assert!(matches!(sink.last(), Err(Error::Malformed { .. })), "{name}");
        assert!(matches!(sink.keep(&sealed), Err(Error::File { .. })), "{name}");
        assert_eq!(fs::read_to_string(&sink.0).unwrap(), text, "{name}");
    }
}
