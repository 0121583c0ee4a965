//! Keys and checkpoints in files.

use std::fs;

use rylie_audit::{Checkpoint, CheckpointSink, Digest, Error, FileSink, Outside, SignedCheckpoint, SigningKey};

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
    let after = sealed.to_text().lines().count() as u64 + 1;
    // For a long file only the end is read: it begins after 9,000 numbers minus 4,096.
    for (name, text, line) in [
        ("key", fs::read_to_string(&key_file).unwrap(), 1),
        ("notes", notes, after),
        ("long", "1\n".repeat(9_000), 4_905),
    ] {
        let sink = FileSink(folder.path().join(name));
        fs::write(&sink.0, &text).unwrap();

        for refused in [sink.last().map(drop), sink.keep(&sealed)] {
            assert!(matches!(refused, Err(Error::Damaged { line: at, .. }) if at == line), "{name}: {refused:?}");
        }
        assert_eq!(fs::read_to_string(&sink.0).unwrap(), text, "{name}");
    }
}

#[test]
fn a_damaged_checkpoint_is_reported_by_its_line_and_not_by_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::create(&folder.path().join("key")).unwrap();
    let [one, two, three] = [1, 2, 3].map(|batch| checkpoint(batch, &key).to_text());
    let sink = FileSink(folder.path().join("checkpoints"));
    let line = one.lines().count() as u64 + 1;

    fs::write(&sink.0, format!("{one}{}{three}", two.replace("records 0", "records canary"))).unwrap();
    let error = Outside::read(&sink.0).unwrap_err();
    assert!(matches!(error, Error::Damaged { line: at, .. } if at == line), "{error:?}");
    assert!(error.to_string().contains(&format!("line {line}")) && !error.to_string().contains("canary"), "{error}");

    fs::write(&sink.0, format!("{one}{}", two.replace("records 0", "records 1"))).unwrap();
    let error = sink.last().unwrap_err();
    assert!(matches!(error, Error::Damaged { line: at, .. } if at == line), "{error:?}");
}

#[test]
fn a_checkpoint_that_is_there_already_is_not_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::create(&folder.path().join("key")).unwrap();
    let checkpoints: Vec<_> = (1..=30).map(|batch| checkpoint(batch, &key)).collect();
    let sink = FileSink(folder.path().join("checkpoints"));

    // Like several processes that seal concurrently.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| checkpoints.iter().for_each(|checkpoint| sink.keep(checkpoint).unwrap()));
        }
    });

    let text: String = checkpoints.iter().map(SignedCheckpoint::to_text).collect();
    assert_eq!(fs::read_to_string(&sink.0).unwrap(), text);
    let other = SigningKey::create(&folder.path().join("other")).unwrap();
    for batch in [30, 1] {
        let forked = sink.keep(&checkpoint(batch, &other));
        assert!(matches!(forked, Err(Error::Diverged { batch: of }) if of == batch), "{forked:?}");
    }
    assert_eq!(fs::read_to_string(&sink.0).unwrap(), text);
}
