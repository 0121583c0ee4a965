//! Kills processes at random points. After a killed writer, each change has its record, and each record its change.
//! After a killed sealer, the log verifies and the file of checkpoints is completed.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rylie_db::audit::{CheckpointSink, FileSink, Outside, SigningKey, VerifiedUpTo, Verifier};
use rylie_db::maintenance::{self, Verification, seal_audit, verify_audit};
use rylie_db::prelude::*;
use rylie_testkit::World;

use crate::support::sql::Sql;

/// The number of kills; `RYLIE_TEST_CRASHES` overrides it.
const CRASHES: u64 = 15;

/// The writer, which this test starts as a separate process.
#[tokio::test]
#[ignore = "started by the tests below"]
async fn writes_until_it_is_killed() {
    let Ok(url) = std::env::var("RYLIE_TEST_CRASH_URL") else { return };
    let database = Database::connect(Config::new(&url).unwrap()).await.unwrap();
    for round in 0_u64.. {
        let unit = database.store().platform(Grant::job("writer", "to be killed").unwrap()).await.unwrap();
        for name in ["first", "second"] {
            let new = NewAgency { name: name.to_owned(), domain: None };
            unit.agency_administration().add(new).await.unwrap();
        }
        unit.commit().await.unwrap();
        ready_after_the_first(round);
    }
}

/// Reports readiness after the first round, so that even a slow machine did some work before the kill.
fn ready_after_the_first(round: u64) {
    if round == 0 {
        println!("ready");
    }
}

/// The sealer, also a separate process.
#[tokio::test]
#[ignore = "started by the tests below"]
async fn seals_until_it_is_killed() {
    let (Ok(url), Ok(folder)) = (std::env::var("RYLIE_TEST_CRASH_URL"), std::env::var("RYLIE_TEST_CRASH_FOLDER"))
    else {
        return;
    };
    let database = Database::connect(Config::new(&url).unwrap()).await.unwrap();
    let (key, file) = (SigningKey::load(&key(&folder)).unwrap(), FileSink(checkpoints(&folder)));
    for round in 0_u64.. {
        seal_audit(&*database.store(), &key, &[&file]).await.unwrap();
        ready_after_the_first(round);
    }
}

fn key(folder: impl AsRef<Path>) -> PathBuf {
    folder.as_ref().join("key")
}

fn checkpoints(folder: impl AsRef<Path>) -> PathBuf {
    folder.as_ref().join("checkpoints")
}

fn crashes() -> u64 {
    std::env::var("RYLIE_TEST_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASHES)
}

/// Starts one of the processes above, and kills it a random time after it is ready.
fn start_and_kill(name: &str, url: &str, folder: &Path, seed: &mut u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", &format!("faults::audit_crash::{name}")])
        .env("RYLIE_TEST_CRASH_URL", url)
        .env("RYLIE_TEST_CRASH_FOLDER", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("ready")), "the process did not start");
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    std::thread::sleep(Duration::from_micros((*seed >> 33) % 60_000));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Seals, with retries: the server may still execute the killed process's last statement, which blocks other sealers.
async fn seal_after_the_killed_one(world: &World, key: &SigningKey, file: &FileSink) {
    for _ in 0..1_000 {
        match seal_audit(&*world.store(), key, &[file]).await {
            Err(maintenance::Error::Sealing) => tokio::time::sleep(Duration::from_millis(20)).await,
            sealed => {
                sealed.unwrap();
                return;
            }
        }
    }
    panic!("the killed sealer still seals");
}

/// Verifies the log from the end of an earlier verification.
async fn verify(world: &World, file: &FileSink, earlier: Option<VerifiedUpTo>) -> Verification {
    let reader = world.database().audit_reader().await.unwrap();
    let verifier = Verifier::new(&[], Outside::read(&file.0).unwrap());
    let verifier = earlier.into_iter().fold(verifier, Verifier::resume);
    verify_audit(&reader, verifier, &mut |_, _| ()).await.unwrap()
}

async fn a_killed_sealer_leaves_a_log_that_verifies(world: World) {
    let folder = tempfile::tempdir().unwrap();
    let (key, file) = (SigningKey::create(&key(folder.path())).unwrap(), FileSink(checkpoints(folder.path())));
    let mut seed = RandomState::new().hash_one(0_u8);
    println!("seed {seed}");
    let mut earlier = None;
    for crash in 0..crashes() {
        start_and_kill("seals_until_it_is_killed", world.url(), folder.path(), &mut seed);

        seal_after_the_killed_one(&world, &key, &file).await;
        let verification = verify(&world, &file, earlier).await;
        assert_eq!(verification.first_bad, None, "crash {crash}");
        let last = file.last().unwrap().unwrap();
        assert_eq!(last.checkpoint().batch, verification.progress.batch, "crash {crash}");
        earlier = Some(verification.progress);
    }
    let whole = verify(&world, &file, None).await;
    println!("{} crashes, {} batches", crashes(), whole.seen.batches);
    assert_eq!((whole.first_bad, Some(whole.progress)), (None, earlier));
    assert!(whole.seen.batches > crashes());
}

#[tokio::test]
async fn a_sealer_killed_at_random_leaves_a_log_that_verifies_on_sqlite() {
    a_killed_sealer_leaves_a_log_that_verifies(World::sqlite().await.unwrap()).await;
}

#[tokio::test]
async fn a_sealer_killed_at_random_leaves_a_log_that_verifies_on_postgres() {
    a_killed_sealer_leaves_a_log_that_verifies(World::postgres().await.unwrap()).await;
}

async fn changes_and_records_agree(world: World) {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = RandomState::new().hash_one(0_u8);
    println!("seed {seed}");
    let mut sql = Sql::connect(world.url()).await;
    for crash in 0..crashes() {
        start_and_kill("writes_until_it_is_killed", world.url(), folder.path(), &mut seed);

        let unlike = "SELECT coalesce(a.id, l.id) FROM \"Agency\" a FULL JOIN \
             (SELECT * FROM \"AuditLog\" WHERE action = 'AGENCY_CREATED') l ON l.\"resourceId\" = a.id \
             WHERE a.id IS NULL OR l.id IS NULL";
        assert_eq!(sql.all(unlike).await, Vec::<String>::new(), "crash {crash}");
        let waiting = "SELECT p.record_id FROM rylie_audit_pending p FULL JOIN \"AuditLog\" l ON l.id = p.record_id \
             WHERE l.id IS NULL OR p.record_id IS NULL";
        assert_eq!(sql.all(waiting).await, Vec::<String>::new(), "crash {crash}");
    }
    let made = sql.one("SELECT CAST(count(*) AS text) FROM \"Agency\"").await;
    println!("{} crashes, {made} changes", crashes());
    assert_ne!(made, "0");
}

#[tokio::test]
async fn a_writer_killed_at_random_leaves_no_change_without_a_record_on_sqlite() {
    changes_and_records_agree(World::sqlite().await.unwrap()).await;
}

#[tokio::test]
async fn a_writer_killed_at_random_leaves_no_change_without_a_record_on_postgres() {
    changes_and_records_agree(World::postgres().await.unwrap()).await;
}
