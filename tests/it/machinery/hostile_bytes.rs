//! Arbitrary bytes, and valid inputs with changes, for everything that reads a file, a field or a parameter. Nothing
//! panics, and each read ends soon.
//!
//! `tests/corpus` has inputs for each reader: examples, and what once failed. A failure prints the smallest input; add it
//! there. `RYLIE_TEST_FUZZ_CASES` sets the number of inputs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner};
use rylie_db::audit::{Proof, SignedCheckpoint};
use rylie_db::crypto::{
    Binding, ColumnCipher, ColumnPolicy, KeyFile, Keyring, LegacyForms, LegacyKey, Padding, Writes,
};
use rylie_db::lint::{Script, lint};
use rylie_db::maintenance::Seed;
use rylie_db::prelude::*;
use rylie_testkit::World;

use crate::support::audit::{sealed, victim};
use crate::support::picture::Picture;
use crate::support::secrets::ENCRYPTION_KEY;
use crate::support::seed::{length, seed};
use crate::support::sql::Sql;
use crate::support::tenant_rows::full_agency;

/// No input of a few kilobytes needs this long, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(20);

/// A change of a valid input.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    /// Repeats a part: depth and length grow.
    Repeat(prop::sample::Index, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), 1_usize..80).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), 1_usize..40, 1_usize..60).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            return bytes;
        }
        let length = bytes.len();
        let part = |at: &prop::sample::Index, count: &usize| {
            let at = at.index(length);
            at..(at + count).min(length)
        };
        match change {
            Change::Set(at, byte) => bytes[at.index(length)] = *byte,
            Change::Insert(at, more) => drop(bytes.splice(at.index(length)..at.index(length), more.iter().copied())),
            Change::Remove(at, count) => drop(bytes.drain(part(at, count))),
            Change::Repeat(at, count, times) => {
                let range = part(at, count);
                let more = bytes[range.clone()].repeat(*times);
                bytes.splice(range.start..range.start, more);
            }
        }
    }
    bytes
}

/// Returns the inputs that are kept for a reader.
fn corpus(reader: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(reader);
    let files = fs::read_dir(folder).map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>());
    let mut files = files.unwrap_or_default();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Gives a reader its corpus, then random inputs. The reader returns whether it accepts the input; one of the valid
/// inputs must be accepted, or the test would reach nothing.
fn read_much(reader: &str, valid: &[Vec<u8>], read: impl Fn(&[u8]) -> bool + Send + Sync + 'static) {
    let known = [corpus(reader), valid.to_vec()].concat();
    assert!(valid.iter().chain(&known).any(|input| read(input)), "{reader} accepts no valid input");
    let (seed, cases) = (seed(), u32::try_from(length("RYLIE_TEST_FUZZ_CASES", 400)).unwrap());
    let (done, ended) = mpsc::channel();
    let reader = reader.to_owned();
    let work = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
        for input in &known {
            read(input);
            done.send(()).unwrap();
        }
        let bytes = prop_oneof![
            1 => prop::collection::vec(any::<u8>(), 0..300),
            6 => (prop::sample::select(known), prop::collection::vec(change(), 0..6))
                .prop_map(|(input, changes)| changed(input, &changes)),
        ];
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_be_bytes(); 4].concat());
        let settings = Cases { cases, failure_persistence: None, ..Cases::default() };
        let tested = TestRunner::new_with_rng(settings, random).run(&bytes, |input| {
            read(&input);
            done.send(()).unwrap();
            Ok(())
        });
        tested.map_err(|failure| format!("{reader}: {failure}"))
    });
    let work = work.unwrap();
    let mut read = 0;
    loop {
        match ended.recv_timeout(PATIENCE) {
            Ok(()) => read += 1,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a read does not end"),
        }
    }
    work.join().unwrap().unwrap_or_else(|failure| panic!("{failure}"));
    assert!(read >= cases, "{read} inputs");
}

#[test]
fn no_bytes_in_rylie_toml_panic() {
    let folder = tempfile::tempdir().unwrap();
    read_much("rylie_toml", &[], move |bytes| {
        let file = folder.path().join("rylie.toml");
        fs::write(&file, bytes).unwrap();
        Config::builder().file(&file).and_then(rylie_db::ConfigBuilder::build).is_ok()
    });
}

#[test]
fn no_bytes_in_a_seed_file_panic() {
    read_much("seed", &[], |bytes| Seed::from_json(&String::from_utf8_lossy(bytes)).is_ok());
}

#[test]
fn no_bytes_in_a_keyring_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut keyring = Keyring::generate().unwrap();
    let valid = keyring.to_text().unwrap().expose().as_bytes().to_vec();
    keyring.rotate().unwrap();
    let rotated = keyring.to_text().unwrap().expose().as_bytes().to_vec();
    KeyFile::new(folder.path().join("keyring.json")).create(&keyring).unwrap();
    read_much("keyring", &[valid, rotated], move |bytes| {
        let file = folder.path().join("keyring.json");
        // Writing keeps the file's mode, which only the owner may read.
        fs::write(&file, bytes).unwrap();
        let parsed = Keyring::parse(&String::from_utf8_lossy(bytes)).is_ok();
        let loaded = KeyFile::new(&file).load().is_ok();
        parsed && loaded
    });
}

#[test]
fn no_bytes_in_an_envelope_or_a_legacy_token_panic() {
    let keyring = Keyring::generate().unwrap();
    let binding = Binding::new("GA4Connection", "accessToken", "row", "user");
    let sealed = keyring.seal(&Secret::from("a secret"), &binding, Padding::None).unwrap();
    let legacy = LegacyKey::new(&Secret::from(ENCRYPTION_KEY)).unwrap();
    read_much("stored", &[sealed.as_str().as_bytes().to_vec()], move |bytes| {
        let policy = ColumnPolicy { accepts: LegacyForms { plain: false, ..LegacyForms::ALL }, writes: Writes::Compat };
        let cipher = ColumnCipher::new(&keyring, Some(&legacy), policy).unwrap();
        let text = &*String::from_utf8_lossy(bytes);
        let _ = cipher.is_current(text);
        cipher.open(text, &binding).is_ok()
    });
}

#[test]
fn no_bytes_in_linted_sql_panic() {
    let holes = include_bytes!("../../../crates/lint/tests/holes.sql").to_vec();
    read_much("lint", &[holes], |bytes| {
        let script = Script::file("f.sql", String::from_utf8_lossy(bytes).into_owned());
        !lint(&[script]).is_empty()
    });
}

#[test]
fn no_bytes_in_a_checkpoint_panic() {
    read_much("checkpoint", &[], |bytes| {
        let text = &*String::from_utf8_lossy(bytes);
        SignedCheckpoint::parse(text).is_ok() | SignedCheckpoint::parse_all(text).is_ok()
    });
}

/// A cursor and a proof of a real list and log, and a tenant file, read by a store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_in_a_cursor_or_a_proof_panic() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    for _ in 0..3 {
        agency.request().await.unwrap();
    }
    let unit = agency.unit().await.unwrap();
    let page = unit.requests().list_after(RequestFilter::default(), KeysetRequest::first(1)).await.unwrap();
    let valid = page.next.unwrap().as_str().as_bytes().to_vec();
    let (store, scope, runtime) = (world.store(), agency.scope(), tokio::runtime::Handle::current());
    drop((unit, agency));
    let read = move |bytes: &[u8]| {
        let Ok(cursor) = Cursor::parse(&String::from_utf8_lossy(bytes)) else { return false };
        runtime.block_on(async {
            let unit = store.tenant(&scope).read_only().await.unwrap();
            unit.requests().list_after(RequestFilter::default(), KeysetRequest::after(1, cursor)).await.is_ok()
        })
    };
    tokio::task::spawn_blocking(move || read_much("cursor", &[valid], read)).await.unwrap();

    let (world, _outside) = sealed(world).await;
    let id = victim(&mut Sql::connect(world.url()).await).await;
    let proof = world.database().audit_reader().await.unwrap().prove(&id).await.unwrap();
    let proof = serde_json::to_string(&proof).unwrap();
    let read = |bytes: &[u8]| Proof::parse(&String::from_utf8_lossy(bytes)).and_then(|proof| proof.check()).is_ok();
    tokio::task::spawn_blocking(move || read_much("proof", &[proof.into_bytes()], read)).await.unwrap();
}

/// Returns a file up to its seal. A file with another seal is one of another database, and may be imported as such.
fn before_seal(file: &[u8]) -> &[u8] {
    const SEAL: &[u8] = b"\"seal\":";
    let begins = file.windows(SEAL.len()).rposition(|part| part == SEAL);
    &file[..begins.unwrap_or(file.len())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_in_a_tenant_file_panic_or_reach_the_database() {
    let world = World::sqlite().await.unwrap();
    let tenant = full_agency(&world).await.agency.tenant_id.clone();
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("tenant");
    world.database().export_tenant(&tenant, &file, None, &Progress::none()).await.unwrap();
    world.database().erase_tenant(&tenant).await.unwrap();
    let valid = fs::read(&file).unwrap();
    let mut picture = Picture::of(world.url()).await;
    let before = picture.take().await;
    let empty = World::sqlite().await.unwrap();
    let (database, runtime) = (Arc::new(empty), tokio::runtime::Handle::current());
    let original = valid.clone();
    let read = move |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        // The valid file is not imported again and again: reading it is enough.
        let imported = runtime.block_on(database.database().import_tenant(&file, &Progress::none()));
        match imported {
            Ok(imported) => {
                assert!(before_seal(bytes) == before_seal(&original), "a changed file was imported");
                runtime.block_on(database.database().erase_tenant(&imported.tenant)).unwrap();
                true
            }
            Err(_) => false,
        }
    };
    tokio::task::spawn_blocking(move || read_much("tenant_file", &[valid], read)).await.unwrap();
    assert_eq!(before, picture.take().await);
    drop(folder);
}
