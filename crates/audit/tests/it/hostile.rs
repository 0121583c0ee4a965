//! No input panics: arbitrary bytes, and valid texts with changes, for everything that reads a file or a field.
//!
//! A failure prints the smallest input and the seed; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` repeat and lengthen a run.

use std::fs;

use proptest::prelude::*;
use rylie_audit::{
    Cosignature, Digest, Outside, Proof, PublicKey, SignedCheckpoint, SignedDocument, SigningKey, TenantBatch,
    TenantHead, TenantLeaf, TreeHead, VerifiedUpTo, WitnessKey, WitnessState, Witnesses,
};

const DOCUMENT: &str = include_str!("../../../../docs/audit-format.md");

/// Valid texts, to change: every block of vectors, and what witnesses write.
fn seeds() -> Vec<Vec<u8>> {
    let blocks = DOCUMENT.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let mut seeds: Vec<Vec<u8>> = blocks.map(|(_, text)| text.as_bytes().to_vec()).collect();
    let lines: Vec<Vec<u8>> =
        seeds.iter().flat_map(|text| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec)).collect();
    seeds.extend(lines.into_iter().filter(|line| line.len() > 20));
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::parse(pem).unwrap();
    let witness = WitnessKey::new("w", key.public()).unwrap();
    let head = TreeHead { database: "d".into(), size: 3, root: Digest::of(b"x") };
    seeds.push(Cosignature { head, time: 1 }.sign(&witness, &key).into_bytes());
    seeds.extend(
        [pem, &witness.to_string(), &WitnessState::default().to_text(), include_str!("checkpoint.txt")]
            .map(|text| text.as_bytes().to_vec()),
    );
    seeds.push(SignedDocument::sign("receipt", &serde_json::json!({ "rows": 3 }), &key).into_bytes());
    seeds
}

#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), 1_usize..80).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), 1_usize..200).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            return bytes;
        }
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Change::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let part = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        4 => (prop::sample::select(seeds()), prop::collection::vec(change(), 0..6))
            .prop_map(|(seed, changes)| changed(seed, &changes)),
    ]
}

/// Gives the input to every reader. Returns how many accepted it.
fn read_by_all(bytes: &[u8]) -> usize {
    let text = &*String::from_utf8_lossy(bytes);
    let key = PublicKey::parse("ed25519:A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg").unwrap();
    let witness = WitnessKey::new("w", key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, bytes).unwrap();
    let mut witnesses = Witnesses::new(vec![witness.clone()], None).unwrap();
    [
        SignedCheckpoint::parse(text).is_ok(),
        SignedCheckpoint::parse_all(text).is_ok(),
        Outside::read(&file).is_ok(),
        TenantHead::parse(text).is_ok(),
        Proof::parse(text).and_then(|proof| proof.check()).is_ok(),
        serde_json::from_str::<TenantBatch>(text).is_ok(),
        serde_json::from_str::<TenantLeaf>(text).is_ok(),
        serde_json::from_str::<VerifiedUpTo>(text).is_ok(),
        SignedDocument::parse("receipt", text).is_ok(),
        WitnessState::parse(text).is_ok_and(|mut state| state.state(1).head.size == state.batch()),
        WitnessKey::parse(text).is_ok(),
        Cosignature::parse(text, &witness).is_ok(),
        witnesses.read(&file).is_ok(),
        PublicKey::parse(text).is_ok(),
        SigningKey::parse(text).is_ok(),
        SigningKey::load(&file).is_ok(),
        Digest::parse(text).is_ok(),
    ]
    .into_iter()
    .filter(|accepted| *accepted)
    .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_input_panics(bytes in input()) {
        // An empty file of statements is one without statements, so some readers accept some inputs.
        prop_assert!(read_by_all(&bytes) < 17);
    }
}

#[test]
fn the_seeds_are_accepted_before_they_are_changed() {
    let accepted: usize = seeds().iter().map(|seed| read_by_all(seed)).sum();

    assert!(accepted > 20, "{accepted}");
}
