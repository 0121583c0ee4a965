//! A process that writes is killed at random points: each change has its record, and each record its change.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rylie_db::prelude::*;
use rylie_testkit::World;

use crate::migration::sql::Sql;

/// How often the writer is killed; `RYLIE_CRASHES` says otherwise.
const CRASHES: u64 = 15;

/// The writer, which this test starts as a process of its own.
#[tokio::test]
#[ignore = "started by the tests below"]
async fn writes_until_it_is_killed() {
    let Ok(url) = std::env::var("RYLIE_CRASH_URL") else { return };
    let database = Database::connect(Config::new(&url).unwrap()).await.unwrap();
    println!("ready");
    loop {
        let unit = database.store().platform(Grant::job("writer", "to be killed").unwrap()).await.unwrap();
        for name in ["first", "second"] {
            let new = NewAgency { name: name.to_owned(), domain: None };
            unit.agency_administration().add(new).await.unwrap();
        }
        unit.commit().await.unwrap();
    }
}

async fn changes_and_records_agree(world: World) {
    let crashes = std::env::var("RYLIE_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASHES);
    let mut seed = RandomState::new().hash_one(0_u8);
    println!("seed {seed}");
    let mut sql = Sql::connect(world.url()).await;
    for crash in 0..crashes {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "audit_crash::writes_until_it_is_killed"])
            .env("RYLIE_CRASH_URL", world.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().any(|line| line.unwrap().contains("ready")), "the writer did not start");
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((seed >> 33) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();

        let unlike = "SELECT coalesce(a.id, l.id) FROM \"Agency\" a FULL JOIN \
             (SELECT * FROM \"AuditLog\" WHERE action = 'AGENCY_CREATED') l ON l.\"resourceId\" = a.id \
             WHERE a.id IS NULL OR l.id IS NULL";
        assert_eq!(sql.all(unlike).await, Vec::<String>::new(), "crash {crash}");
        let waiting = "SELECT p.record_id FROM rylie_audit_pending p FULL JOIN \"AuditLog\" l ON l.id = p.record_id \
             WHERE l.id IS NULL OR p.record_id IS NULL";
        assert_eq!(sql.all(waiting).await, Vec::<String>::new(), "crash {crash}");
    }
    let made = sql.one("SELECT CAST(count(*) AS text) FROM \"Agency\"").await;
    println!("{crashes} crashes, {made} changes");
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
