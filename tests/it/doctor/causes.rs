//! One root cause instead of many symptoms.

use rylie_db::maintenance::{DoctorReport, Verdict};
use rylie_testkit::{Cluster, SqliteDatabase};
use sqlx::{Connection, SqliteConnection};

use super::file::{file, run};
use super::{diagnose, found, seeded, status};
use crate::support::raw::Raw;

const GROUPS: [&str; 3] = ["isolation", "application", "tables"];

const UNDRIFTED: &str = "application.drift";

/// Faults, each with the only root cause that a report may name, and with a symptom that it explains.
const FAULTS: &[(&str, &str, &str)] = &[
    ("isolation.schema-create", UNDRIFTED, "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    ("isolation.unit-roles", UNDRIFTED, "ALTER ROLE rylie_tenant BYPASSRLS"),
    (UNDRIFTED, "isolation.search-path", "ALTER FUNCTION rylie_visible_user() RESET search_path"),
    ("isolation.grants", UNDRIFTED, "GRANT SELECT ON rylie_audit_leaf TO rylie_tenant"),
    ("isolation.policy", UNDRIFTED, "ALTER POLICY rylie_tenant ON \"Task\" USING (true)"),
    (
        "tables.disabled-trigger",
        "isolation.composite-keys",
        "ALTER TABLE \"Task\" DISABLE TRIGGER \"Parent_userId_visible_insert\"",
    ),
    ("isolation.extra-policy", UNDRIFTED, "CREATE POLICY p ON \"Task\" FOR SELECT TO pg_monitor USING (true)"),
];

fn cause<'a>(report: &'a DoctorReport, symptom: &str) -> Option<&'a str> {
    report.check(symptom).unwrap().root_cause.as_deref()
}

fn new_causes(before: &DoctorReport, after: &DoctorReport) -> Vec<String> {
    let known = found(before);
    found(after).into_iter().filter(|id| !known.contains(id)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_fault_that_several_checks_find_has_one_root_cause() {
    let cluster = Cluster::private().await.unwrap();
    for (check, symptom, sql) in FAULTS {
        let database = seeded(&cluster).await;
        let before = diagnose(&database.url(), &GROUPS).await;
        let mut raw = Raw::connect(&database.url()).await;
        raw.run(sql).await;

        let after = diagnose(&database.url(), &GROUPS).await;

        assert_eq!(new_causes(&before, &after), [*check], "{sql}");
        assert_eq!(cause(&after, symptom), Some(*check), "{sql}");
        raw.run("ALTER ROLE rylie_tenant NOBYPASSRLS").await;
    }
}

#[tokio::test]
async fn several_faults_at_once_explain_the_drift_together() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    Raw::connect(&database.url())
        .await
        .run(
            "DROP POLICY rylie_tenant ON \"Task\"; ALTER TABLE \"Request\" NO FORCE ROW LEVEL SECURITY; \
             GRANT SELECT ON \"GA4Connection\" TO PUBLIC",
        )
        .await;

    let report = diagnose(&database.url(), &GROUPS).await;

    let roots = found(&report);
    for root in ["isolation.forced", "isolation.policy", "isolation.public-grants"] {
        assert!(roots.contains(&root), "{roots:?}");
    }
    assert!(!roots.contains(&UNDRIFTED), "{roots:?}");
}

/// A warning may explain something critical. Its headline says so.
#[tokio::test]
async fn a_root_cause_is_as_bad_as_the_worst_that_it_explains() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut holder = Raw::connect(&database.url()).await;
    holder.run("BEGIN; LOCK TABLE \"SystemSettings\"").await;
    let url = database.url();
    let waiting = tokio::spawn(async move { Raw::connect(&url).await.rows("SELECT id FROM \"SystemSettings\"").await });
    let config = rylie_db::Config::new(&database.url()).unwrap();
    let thresholds = ["activity.idle-in-transaction=0", "activity.blocking=0", "activity.blocking.critical=0"];
    let mut report = super::diagnose_with(&config, &["activity"], &thresholds).await;
    while status(&report, "activity.blocking") != Verdict::Critical {
        report = super::diagnose_with(&config, &["activity"], &thresholds).await;
    }

    assert_eq!(status(&report, "activity.idle-in-transaction"), Verdict::Warning);
    let headlines = report.root_causes();
    let (worst, _) = headlines.iter().find(|(_, check)| check.id == "activity.idle-in-transaction").unwrap();
    assert_eq!(*worst, Verdict::Critical);
    holder.run("ROLLBACK").await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn everything_of_the_schema_follows_from_a_database_that_is_not_ours() {
    // A private server: logins belong to all its databases.
    let cluster = Cluster::private().await.unwrap();
    for (tables, says) in [
        ("SELECT 1", "it is empty"),
        ("CREATE TABLE orders (id int PRIMARY KEY, \"userId\" int)", "belongs to another application"),
        (
            "CREATE TABLE \"User\" (id text PRIMARY KEY); CREATE TABLE notes (id int, \"userId\" int)",
            "no migration created",
        ),
    ] {
        let database = cluster.empty_database().await.unwrap();
        Raw::connect(&database.url()).await.run(tables).await;

        let report = diagnose(&database.url(), &["isolation", "application"]).await;

        let migrations = report.check("application.migrations").unwrap();
        assert!(migrations.detail.contains(says), "{migrations:?}");
        let roots = found(&report);
        let others: Vec<&&str> = roots
            .iter()
            .filter(|id| {
                !["application.migrations", "isolation.unrecorded-logins", "isolation.superusers"].contains(id)
            })
            .collect();
        assert!(others.is_empty(), "{tables}: {others:?}");
    }
}

#[tokio::test]
async fn an_empty_file_stays_empty() {
    let database = SqliteDatabase::new().unwrap();
    std::fs::write(database.path(), "").unwrap();

    let report = diagnose(&database.url(), &["application"]).await;

    assert_eq!(found(&report), ["application.migrations"]);
    assert_eq!(std::fs::metadata(database.path()).unwrap().len(), 0);
}

#[tokio::test]
async fn a_damaged_file_is_the_cause_of_what_was_not_checked() {
    let database = SqliteDatabase::new().unwrap();
    std::fs::write(database.path(), "a text, and no database".repeat(200)).unwrap();

    let report = diagnose(&database.url(), &[]).await;

    assert_eq!(found(&report), ["sqlite.integrity"]);
    assert_eq!(cause(&report, "server.reachable"), Some("sqlite.integrity"));
    assert_eq!(cause(&report, "sqlite.statistics"), Some("sqlite.integrity"));
}

#[tokio::test]
async fn a_writer_that_never_ends_is_found_in_a_file() {
    let database = file().await;
    assert_eq!(status(&diagnose(&database.url(), &["sqlite.writable"]).await, "sqlite.writable"), Verdict::Ok);
    let mut writer = SqliteConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE; CREATE TABLE open (n int)").execute(&mut writer).await.unwrap();

    let report = diagnose(&database.url(), &[]).await;

    assert_eq!(status(&report, "sqlite.writable"), Verdict::Critical);
    assert_eq!(cause(&report, "application.jobs-late"), Some("sqlite.writable"));
}

#[tokio::test]
async fn a_missing_trigger_of_the_audit_log_explains_the_drift_of_a_file() {
    let database = file().await;
    run(database.path(), "DROP TRIGGER \"AuditLog_no_update\"").await;

    let report = diagnose(&database.url(), &["application", "sqlite"]).await;

    assert_eq!(found(&report), ["sqlite.audit-triggers"]);
    assert_eq!(cause(&report, UNDRIFTED), Some("sqlite.audit-triggers"));
}

#[tokio::test]
async fn a_lock_on_one_table_explains_the_checks_that_wait_for_it() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut holder = Raw::connect(&database.url()).await;
    holder.run("BEGIN; LOCK TABLE \"Task\"").await;
    let config = rylie_db::Config::new(&database.url()).unwrap();

    let report = super::diagnose_with(&config, &[], &["activity.idle-in-transaction=0"]).await;

    let unmade: Vec<_> = report
        .checks
        .iter()
        .filter(|check| check.reason.as_deref().is_some_and(|reason| reason.contains("holds a lock")))
        .collect();
    assert!(!unmade.is_empty());
    for check in unmade {
        assert_eq!(check.root_cause.as_deref(), Some("activity.idle-in-transaction"), "{check:?}");
    }
    let checkpoint = report.check("application.audit-checkpoint").unwrap();
    assert!(!format!("{checkpoint:?}").contains("earlier statement"), "{checkpoint:?}");
}

/// The owner's rights depend on policies. To read these must not wait for a lock on any table.
#[tokio::test]
async fn a_lock_on_a_table_does_not_blind_the_owner() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = crate::support::logins::give_away(&database, &mut raw).await;
    raw.run("BEGIN; LOCK TABLE \"Task\", \"User\", \"AuditLog\"").await;

    let report = diagnose(&owner, &["server", "activity"]).await;

    assert_eq!(status(&report, "server.reachable"), Verdict::Ok, "{:?}", report.check("server.reachable"));
    assert_eq!(status(&report, "activity.connections"), Verdict::Ok);
}

/// A name must not colour a terminal, add a line, or hide a part of a statement.
#[tokio::test]
async fn control_characters_of_a_name_are_escaped() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let sql = "DO $$ BEGIN EXECUTE format('CREATE TABLE %I (a int, \"tenantId\" text)', E'x\\x1b[31m\\ncritical: y\\u202e'); END $$";
    Raw::connect(&database.url()).await.run(sql).await;

    let report = diagnose(&database.url(), &["isolation"]).await;

    let security = report.check("isolation.row-security").unwrap();
    let hidden = |text: &str| text.contains(['\u{1b}', '\n', '\u{202e}']);
    assert!(security.detail.contains("\\u{1b}[31m\\ncritical: y\\u{202e}"), "{security:?}");
    for check in &report.checks {
        assert!(!hidden(&check.detail), "{check:?}");
        for found in &check.evidence {
            assert!(!hidden(&found.object) && !hidden(&found.detail), "{found:?}");
            assert!(found.fix.as_ref().is_none_or(|fix| !hidden(&fix.command)), "{found:?}");
        }
    }
}

#[tokio::test]
async fn the_fix_of_a_migration_is_one_that_is_not_refused() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("UPDATE rylie_migrations SET checksum = 'x' WHERE name ~ '^m20261127_000081'").await;
    let report = diagnose(&database.url(), &["application.drift"]).await;
    assert_eq!(status(&report, UNDRIFTED), Verdict::Ok, "no migration is pending");
    raw.run("INSERT INTO seaql_migrations VALUES ('m20991231_000001_future', 1)").await;

    let report = diagnose(&database.url(), &["application"]).await;

    let evidence = &report.check("application.migrations").unwrap().evidence;
    let fix_of = |name: &str| {
        let found = evidence.iter().find(|found| found.object.contains(name)).unwrap();
        found.fix.clone().unwrap().command
    };
    assert!(fix_of("m20261127_000081").contains("rylie migrate resolve"), "{evidence:?}");
    assert!(fix_of("future").contains("use the version of the program"), "{evidence:?}");
}
