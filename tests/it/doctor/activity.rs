//! Sessions, locks, and ending them.

use std::time::Duration;

use rylie_db::Config;
use rylie_db::maintenance::{Engine, SessionEnd, SessionTarget, Verdict, end_sessions, sessions_to_end};
use rylie_testkit::Cluster;
use tokio::time::{sleep, timeout};

use super::{diagnose_with, seeded, status};
use crate::support::raw::Raw;

/// Sets every threshold of the group to no time at all.
const AT_ONCE: [&str; 6] = [
    "activity.idle-in-transaction=0",
    "activity.blocking=0",
    "activity.lock-waits=0",
    "activity.vacuum-held=0",
    "activity.long-queries=0",
    "activity.long-operations=0",
];

/// An idle transaction, and the checks that find its effects.
pub(super) const BLOCKED: [&str; 4] =
    ["activity.idle-in-transaction", "activity.blocking", "activity.lock-waits", "activity.vacuum-held"];

async fn pid(raw: &mut Raw) -> i32 {
    raw.rows("SELECT pg_backend_pid()::text").await.unwrap()[0].parse().unwrap()
}

#[tokio::test]
async fn an_idle_transaction_is_the_root_cause_of_the_sessions_that_it_blocks() {
    const WAITERS: usize = 3;
    // The checks read the sessions of all databases: those of other tests would be found, too.
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let config = Config::new(&database.url()).unwrap();
    let quiet = diagnose_with(&config, &["activity"], &AT_ONCE).await;
    assert!(!status(&quiet, "activity.idle-in-transaction").is_finding(), "{quiet:?}");
    assert!(!status(&quiet, "activity.blocking").is_finding());
    let mut holder = Raw::connect(&database.url()).await;
    let process = pid(&mut holder).await;
    holder.run("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE \"SystemSettings\"; SELECT id FROM \"Task\" WHERE title = 'canary'").await;
    let waiting: Vec<_> = (0..WAITERS)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move {
                Raw::connect(&url).await.rows("UPDATE \"SystemSettings\" SET \"maintenanceMode\" = false").await
            })
        })
        .collect();
    // A report reads the waits last, after the checks: all sessions must wait before it begins.
    let waiters = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let mut observer = Raw::connect(&database.url()).await;
    let all_wait = async {
        while observer.rows(waiters).await.unwrap() != [WAITERS.to_string()] {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_mins(1), all_wait).await.expect("a session does not wait");

    let report = diagnose_with(&config, &["activity"], &AT_ONCE).await;

    assert_eq!(report.data.waits.len(), WAITERS);
    let object = format!("pid {process}");
    let idle = report.check("activity.idle-in-transaction").unwrap();
    assert!(idle.evidence.iter().any(|found| found.object == object), "{idle:?}");
    assert_eq!(idle.root_cause, None);
    for symptom in &BLOCKED[1..] {
        let check = report.check(symptom).unwrap();
        assert!(check.status.is_finding(), "{symptom}");
        assert_eq!(check.root_cause.as_deref(), Some("activity.idle-in-transaction"), "{symptom}");
    }
    assert!(!format!("{report:?}").contains("canary"), "no value of a statement is shown");
    let engine = Engine::new(&database.url()).unwrap();
    let mut sessions = sessions_to_end(&engine, SessionTarget::Process(process)).await.unwrap();
    end_sessions(&engine, &mut sessions, SessionEnd::Terminate, false).await.unwrap();
    assert_eq!(sessions[0].ended, Some(true));
    for waiter in waiting {
        waiter.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_backup_and_a_migration_are_protected_and_a_client_is_not() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let engine = Engine::new(&database.url()).unwrap();
    for (application, is_protected) in [
        ("pg_dump", true),
        ("pg_basebackup", true),
        ("rylie/migrate deploy", true),
        ("rylie/backup create", true),
        ("rylie/web", false),
        ("report", false),
    ] {
        let mut raw = Raw::connect(&database.url()).await;
        let process = pid(&mut raw).await;
        raw.run(&format!("SET application_name = '{application}'")).await;

        let mut sessions = sessions_to_end(&engine, SessionTarget::Process(process)).await.unwrap();
        end_sessions(&engine, &mut sessions, SessionEnd::Terminate, false).await.unwrap();

        assert_eq!(sessions[0].protected.is_some(), is_protected, "{application}");
        assert_eq!(raw.rows("SELECT 'alive'").await.is_ok(), is_protected, "{application}");
    }
}

#[tokio::test]
async fn no_session_of_another_database_is_ended() {
    let cluster = Cluster::shared().await.unwrap();
    let (database, other) = (seeded(cluster).await, seeded(cluster).await);
    let mut raw = Raw::connect(&other.url()).await;
    let process = pid(&mut raw).await;
    let engine = Engine::new(&database.url()).unwrap();

    let refused = sessions_to_end(&engine, SessionTarget::Process(process)).await.unwrap_err();
    let none = sessions_to_end(&engine, SessionTarget::OlderThan(Duration::ZERO)).await.unwrap();

    assert!(refused.to_string().contains("another database"), "{refused}");
    assert!(none.is_empty(), "{none:?}");
}

#[tokio::test]
async fn the_connection_limit_of_a_login_is_watched() {
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let config = Config::new(&database.url()).unwrap();
    assert!(!status(&diagnose_with(&config, &["activity"], &[]).await, "activity.connection-limits").is_finding());
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("CREATE ROLE doctor_limited LOGIN CONNECTION LIMIT 1").await;
    let _session = Raw::connect(&database.url_as("doctor_limited")).await;

    let report = diagnose_with(&config, &["activity"], &[]).await;

    assert_eq!(status(&report, "activity.connection-limits"), Verdict::Critical);
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_a_finding_and_no_error() {
    let config = Config::new("postgres://postgres@127.0.0.1:1/none").unwrap();

    let report = diagnose_with(&config, &[], &[]).await;

    assert_eq!(status(&report, "server.reachable"), Verdict::Critical);
    let others = report.checks.iter().filter(|check| check.id != "server.reachable");
    for check in others {
        assert!(check.status == Verdict::NotChecked || check.id.starts_with("application."), "{check:?}");
        assert_ne!(check.status, Verdict::Ok, "{check:?}");
    }
}
