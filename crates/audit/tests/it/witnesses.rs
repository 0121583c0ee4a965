//! Chains of checkpoints, witnesses and their statements.

use std::fs;
use std::path::PathBuf;

use rylie_audit::{
    Checkpoint, Consistency, Cosignature, Digest, Error, PublicKey, SignedCheckpoint, SigningKey, TreeHead, Witness,
    WitnessKey, WitnessState, Witnesses,
};
use tempfile::TempDir;

const NOW: u64 = 1_764_000_000;

fn new_key(folder: &TempDir, name: &str) -> SigningKey {
    SigningKey::create(&folder.path().join(name)).unwrap()
}

/// Seals a batch after another. Logs of different `records` are forks of each other.
fn next(last: Option<&SignedCheckpoint>, key: &SigningKey, records: u64) -> SignedCheckpoint {
    let (batch, total) = last.map_or((0, 0), |last| (last.checkpoint().batch, last.checkpoint().total));
    Checkpoint {
        database: "d".into(),
        batch: batch + 1,
        time: "2026-11-24T00:00:00Z".parse().unwrap(),
        records,
        total: total + records,
        tenants: records.min(1),
        removed: 0,
        root: Digest::of(&records.to_be_bytes()),
        previous: last.map_or(Digest::NONE, SignedCheckpoint::hash),
    }
    .sign(key)
}

fn chain(key: &SigningKey, records: &[u64]) -> Vec<SignedCheckpoint> {
    records.iter().fold(Vec::new(), |mut chain, records| {
        chain.push(next(chain.last(), key, *records));
        chain
    })
}

fn consistent(chain: &[SignedCheckpoint]) -> Result<(), Error> {
    let mut check = Consistency::default();
    chain.iter().try_for_each(|next| check.add(next.clone()))
}

#[test]
fn a_chain_of_checkpoints_is_consistent_from_any_to_any() {
    let folder = tempfile::tempdir().unwrap();
    let chain = chain(&new_key(&folder, "key"), &[3, 0, 2, 5]);

    for first in 0..chain.len() {
        for last in first..chain.len() {
            consistent(&chain[first..=last]).unwrap();
        }
    }
}

#[test]
fn a_gap_a_fork_and_wrong_counts_are_not_consistent() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let (ours, other) = (chain(&key, &[3, 0, 2, 5]), chain(&key, &[3, 1, 2, 5]));
    let forked = [&ours[..2], &other[2..]].concat();
    let mut counted = next(Some(&ours[1]), &key, 2).checkpoint().clone();
    counted.total += 1;
    let mut first = ours[0].checkpoint().clone();
    first.previous = ours[3].hash();

    assert!(matches!(consistent(&[ours[0].clone(), ours[2].clone()]), Err(Error::Gap { batch: 2 })));
    assert!(matches!(consistent(&forked), Err(Error::Forked { batch: 3 })));
    assert!(consistent(&[ours[1].clone(), ours[0].clone()]).is_err());
    assert!(consistent(&[ours[1].clone(), counted.sign(&key)]).is_err());
    assert!(consistent(&[first.sign(&key)]).is_err());
}

/// The files of a witness and of a log.
struct Files {
    folder: TempDir,
    sealer: SigningKey,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sealer = new_key(&folder, "sealer");
        Self { folder, sealer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Opens a witness with files of its name.
    fn witness(&self, name: &str, begin: bool) -> Result<Witness, Error> {
        let key = self.path(&format!("{name}.key"));
        let key = if key.exists() { SigningKey::load(&key) } else { SigningKey::create(&key) };
        Witness::open(
            key.unwrap(),
            name,
            &self.path(&format!("{name}.state")),
            &self.path(&format!("{name}.notes")),
            begin,
        )
    }

    /// Lets a witness see checkpoints and sign.
    fn sees(&self, name: &str, checkpoints: &[SignedCheckpoint], now: u64) -> Result<WitnessKey, Error> {
        let begin = !self.path(&format!("{name}.state")).exists();
        let mut witness = self.witness(name, begin)?;
        checkpoints.iter().try_for_each(|checkpoint| witness.seen().see(checkpoint, &[]))?;
        witness.sign(now)?;
        Ok(witness.name().clone())
    }

    fn witnesses(&self, keys: Vec<WitnessKey>, required: usize) -> Witnesses {
        let files: Vec<_> = keys.iter().map(|key| self.path(&format!("{}.notes", key.name()))).collect();
        let mut witnesses = Witnesses::new(keys, Some(required)).unwrap();
        for file in &files {
            witnesses.read(file).unwrap();
        }
        witnesses
    }
}

#[test]
fn the_last_batch_that_enough_witnesses_have_seen_counts() {
    let files = Files::new();
    let chain = chain(&files.sealer, &[1, 2, 3, 4]);
    let keys: Vec<_> =
        [("a", 4), ("b", 3), ("c", 1)].map(|(name, until)| files.sees(name, &chain[..until], NOW).unwrap()).into();

    for (required, seen) in [(1, 4), (2, 3), (3, 1)] {
        assert_eq!(files.witnesses(keys.clone(), required).witnessed(), seen);
    }
    assert!(Witnesses::new(keys.clone(), Some(4)).is_err());
    assert!(Witnesses::new(keys.clone(), Some(0)).is_err());
    assert!(Witnesses::new(vec![keys[0].clone(), keys[0].clone()], None).is_err());
}

#[test]
fn a_witness_refuses_what_does_not_continue_its_log() {
    let files = Files::new();
    let (ours, fork) = (chain(&files.sealer, &[1, 2, 3]), chain(&files.sealer, &[1, 9, 3]));
    files.sees("a", &ours[..2], NOW).unwrap();
    let before = fs::read_to_string(files.path("a.state")).unwrap();
    let mut moved = next(Some(&fork[1]), &files.sealer, 1).checkpoint().clone();
    moved.database = "e".into();

    assert!(matches!(files.sees("a", &fork[1..], NOW), Err(Error::Forked { batch: 2 })));
    assert!(matches!(files.sees("a", &fork[2..], NOW), Err(Error::Forked { batch: 3 })));
    assert!(matches!(files.sees("a", &[moved.sign(&files.sealer)], NOW), Err(Error::OtherDatabase)));
    let beyond = next(Some(&ours[2]), &files.sealer, 1);
    assert!(matches!(files.sees("a", &[beyond], NOW), Err(Error::Gap { batch: 3 })));
    let other = new_key(&files.folder, "other").public();
    let untrusted = files.witness("a", false).unwrap().seen().see(&ours[2], &[other]);
    assert!(matches!(untrusted, Err(Error::Untrusted { batch: 3 })));
    assert_eq!(fs::read_to_string(files.path("a.state")).unwrap(), before);
    files.sees("a", &ours[1..], NOW).unwrap();
}

#[test]
fn a_witness_refuses_counts_that_do_not_add_up() {
    let files = Files::new();
    let chain = chain(&files.sealer, &[1, 2]);
    files.sees("a", &chain, NOW).unwrap();
    for (total, removed) in [(4, 0), (6, 0), (0, 0), (5, 3)] {
        let mut wrong = next(chain.last(), &files.sealer, 2).checkpoint().clone();
        (wrong.total, wrong.removed) = (total, removed);
        let seen = [chain.clone(), vec![wrong.sign(&files.sealer)]].concat();

        assert!(matches!(files.sees("a", &seen, NOW), Err(Error::Malformed { .. })), "{total} {removed}");
        let begins = files.sees("b", &seen, NOW);
        assert!(matches!(begins, Err(Error::Malformed { .. })), "{total} {removed}");
    }
    let mut declares = next(chain.last(), &files.sealer, 2).checkpoint().clone();
    declares.removed = 2;
    let declares = declares.sign(&files.sealer);
    // The counts before are those of the last checkpoint that was seen, which must be there.
    assert!(matches!(files.sees("a", std::slice::from_ref(&declares), NOW), Err(Error::Gap { batch: 2 })));
    files.sees("a", &[chain[1].clone(), declares.clone()], NOW).unwrap();
    let goes_back = next(Some(&declares), &files.sealer, 1);

    assert!(matches!(files.sees("a", &[declares, goes_back], NOW), Err(Error::Malformed { .. })));
}

#[test]
fn a_file_with_two_checkpoints_of_an_earlier_batch_is_forked() {
    let files = Files::new();
    let (ours, fork) = (chain(&files.sealer, &[1, 2, 3, 4]), chain(&files.sealer, &[1, 9]));
    let write = |checkpoints: &[&SignedCheckpoint]| {
        let text: String = checkpoints.iter().map(|checkpoint| checkpoint.to_text()).collect();
        fs::write(files.path("file"), text).unwrap();
    };
    let all: Vec<&SignedCheckpoint> = ours.iter().collect();

    write(&[&all[..], &[&ours[1]]].concat());
    assert_eq!(SignedCheckpoint::refuse_forks(&files.path("file"), 4).unwrap(), 4);
    for at in 0..=all.len() {
        let mut forked = all.clone();
        forked.insert(at, &fork[1]);
        write(&forked);
        let refused = SignedCheckpoint::refuse_forks(&files.path("file"), 4);
        assert!(matches!(refused, Err(Error::Forked { batch: 2 })), "{at}");
    }
}

#[test]
fn a_witness_whose_state_is_lost_does_not_begin_again() {
    let files = Files::new();
    let chain = chain(&files.sealer, &[1, 2]);
    files.sees("a", &chain, NOW).unwrap();
    let older = fs::read_to_string(files.path("a.state")).unwrap();
    files.sees("a", &[chain.clone(), vec![next(chain.last(), &files.sealer, 3)]].concat(), NOW).unwrap();

    fs::write(files.path("a.state"), older).unwrap();
    assert!(matches!(files.witness("a", false), Err(Error::Forked { batch: 3 })), "an older state was put back");
    fs::remove_file(files.path("a.state")).unwrap();
    for begin in [false, true] {
        assert!(matches!(files.witness("a", begin), Err(Error::StateLost { .. })));
    }
    fs::remove_file(files.path("a.notes")).unwrap();
    assert!(matches!(files.witness("a", false), Err(Error::StateLost { .. })));
    assert!(files.witness("a", true).is_ok());
}

#[test]
fn a_witness_that_was_killed_while_writing_goes_on() {
    let files = Files::new();
    let chain = chain(&files.sealer, &[1, 2, 3]);
    let key = files.sees("a", &chain[..2], NOW).unwrap();
    let (state, notes) = (files.path("a.state"), files.path("a.notes"));
    let (old, one) = (fs::read(&state).unwrap(), fs::read(&notes).unwrap());
    files.sees("a", &chain, NOW).unwrap();
    let (new, two) = (fs::read(&state).unwrap(), fs::read(&notes).unwrap());

    // Killed while the next state was written: the old one counts.
    for length in 0..new.len() {
        fs::write(&state, &old).unwrap();
        fs::write(files.path("a.state.new"), &new[..length]).unwrap();
        fs::write(&notes, &one).unwrap();
        files.sees("a", &chain, NOW).unwrap();
        assert_eq!(fs::read(&notes).unwrap(), two, "{length}");
    }
    // Killed after the state, while the statement was written: it is written again.
    for length in one.len()..two.len() {
        fs::write(&notes, &two[..length]).unwrap();
        files.sees("a", &chain, NOW).unwrap();
        assert_eq!(fs::read(&notes).unwrap(), two, "{length}");
        assert_eq!(files.witnesses(vec![key.clone()], 1).witnessed(), 3);
    }
}

#[test]
fn a_long_file_of_statements_is_continued_at_its_end() {
    let files = Files::new();
    let chain = chain(&files.sealer, &[1; 60]);
    let mut key = None;
    for until in 1..=chain.len() {
        key = Some(files.sees("a", &chain[..until], NOW).unwrap());
    }
    let whole = fs::read(files.path("a.notes")).unwrap();
    assert!(whole.len() > 9_000);
    fs::write(files.path("a.notes"), &whole[..whole.len() - 3]).unwrap();

    files.sees("a", &chain, NOW).unwrap();

    assert_eq!(fs::read(files.path("a.notes")).unwrap(), whole);
    assert_eq!(files.witnesses(vec![key.unwrap()], 1).witnessed(), 60);
    fs::remove_file(files.path("a.state")).unwrap();
    assert!(matches!(files.witness("a", true), Err(Error::StateLost { .. })));
}

#[test]
fn a_file_that_holds_something_else_is_not_cut() {
    let files = Files::new();
    let chain = chain(&files.sealer, &[1]);
    for text in ["a note of mine\n", "-----BEGIN PRIVATE KEY-----"] {
        fs::write(files.path("a.notes"), text).unwrap();

        assert!(matches!(files.sees("a", &chain, NOW), Err(Error::Damaged { .. })));
        assert_eq!(fs::read_to_string(files.path("a.notes")).unwrap(), text);
    }
}

#[test]
fn of_two_processes_of_one_witness_one_works() {
    let files = Files::new();
    let held = files.witness("a", true).unwrap();

    assert!(matches!(files.witness("a", true), Err(Error::File { .. })));
    drop(held);
    files.witness("a", true).unwrap();
}

#[test]
fn a_clock_far_off_changes_no_decision() {
    let files = Files::new();
    let chain = chain(&files.sealer, &[1, 2, 3]);
    for (until, now) in [(1, u64::MAX >> 1), (2, 0), (3, NOW)] {
        files.sees("a", &chain[..until], now).unwrap();
    }
    let key = files.witness("a", false).unwrap().name().clone();
    let notes = fs::read_to_string(files.path("a.notes")).unwrap();
    let times: Vec<u64> = notes
        .split_inclusive("==\n")
        .filter_map(|note| Cosignature::parse(note, &key).ok().flatten())
        .map(|cosignature| cosignature.time)
        .collect();

    assert!(times.is_sorted() && !times.is_empty(), "the time of statements never goes back: {times:?}");
    assert_eq!(files.witnesses(vec![key], 1).witnessed(), 3);
}

#[test]
fn a_statement_is_a_signed_note_in_the_form_of_c2sp() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let witness = WitnessKey::new("witness.example.com/w1", key.public()).unwrap();
    let head = TreeHead { database: "d".into(), size: 3, root: Digest::of(b"x") };
    let cosignature = Cosignature { head, time: NOW };

    let note = cosignature.sign(&witness, &key);

    let lines: Vec<_> = note.split('\n').collect();
    assert_eq!(&lines[..2], ["rylie-audit/d", "3"]);
    assert_eq!((lines[3], lines[4].starts_with("\u{2014} witness.example.com/w1 "), lines.len()), ("", true, 6));
    assert_eq!(Cosignature::parse(&note, &witness).unwrap(), Some(cosignature));
    assert_eq!(WitnessKey::parse(&witness.to_string()).unwrap(), witness);
    let stranger = WitnessKey::new("witness.example.com/w1", new_key(&folder, "other").public()).unwrap();
    assert_eq!(Cosignature::parse(&note, &stranger).unwrap(), None);
    for name in ["", "a b", "a+b", "a\nb"] {
        assert!(WitnessKey::new(name, key.public()).is_err(), "{name:?}");
    }
}

#[test]
fn a_statement_with_any_byte_changed_is_refused_or_that_of_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(&folder, "key");
    let witness = WitnessKey::new("w", key.public()).unwrap();
    let head = TreeHead { database: "d".into(), size: 3, root: Digest::of(b"x") };
    let note = Cosignature { head, time: NOW }.sign(&witness, &key);
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };

        assert!(!matches!(Cosignature::parse(&text, &witness), Ok(Some(_))), "{at}: {text}");
    }
}

#[test]
fn a_state_is_read_as_it_was_written_and_another_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let chain = chain(&new_key(&folder, "key"), &[1, 2, 3]);
    let mut state = WitnessState::default();
    for checkpoint in &chain {
        state.see(checkpoint, &[] as &[PublicKey]).unwrap();
    }
    let text = state.to_text();

    assert_eq!(WitnessState::parse(&text).unwrap().to_text(), text);
    let wrong =
        ["", "{}", "[]", "null", &text.replace("witness 1", "witness 2"), &text.replace("\"batch\":3", "\"batch\":4")];
    for wrong in wrong {
        assert!(WitnessState::parse(wrong).is_err(), "{wrong}");
    }
}
