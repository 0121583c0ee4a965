//! Fixes that a check offers: each one that runs makes its finding go, and none harms anything else.

use rylie_db::maintenance::{Engine, FixStep, Verdict, fix_steps, run_fix};
use rylie_testkit::{Cluster, PostgresDatabase};

use super::{diagnose, found, seeded, status};
use crate::support::raw::Raw;

/// Runs the statements of a check's fix until it finds nothing, at most three times.
async fn fix(database: &PostgresDatabase, check: &str) {
    let engine = Engine::new(&database.url()).unwrap();
    for _ in 0..3 {
        let report = diagnose(&database.url(), &[check]).await;
        let steps = fix_steps(report.check(check).unwrap(), false);
        for step in &steps {
            let FixStep::Statement(fix) = step else { panic!("{check} needs a person: {step:?}") };
            run_fix(&engine, &fix.command).await.unwrap();
        }
        if steps.is_empty() {
            break;
        }
    }
    let report = diagnose(&database.url(), &[check]).await;
    assert_eq!(status(&report, check), Verdict::Ok, "{:?}", report.check(check));
}

#[tokio::test]
async fn a_narrow_column_and_its_sequence_are_widened() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("CREATE TABLE narrow (id smallserial PRIMARY KEY); SELECT setval('narrow_id_seq', 32000)").await;

    fix(&database, "tables.sequence-end").await;

    raw.run("SELECT setval('narrow_id_seq', 9000000000); INSERT INTO narrow DEFAULT VALUES").await;
}

#[tokio::test]
async fn the_index_of_a_foreign_key_is_not_called_unused() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent)",
    )
    .await;

    fix(&database, "tables.unindexed-foreign-key").await;

    let report = diagnose(&database.url(), &["tables"]).await;
    assert!(!found(&report).contains(&"tables.unused-index"), "{:?}", report.check("tables.unused-index"));
}

#[tokio::test]
async fn a_unique_index_over_equal_values_names_the_values_and_its_rest_is_dropped() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("CREATE TABLE twice (a int); INSERT INTO twice VALUES (1), (1)").await;
    let failed = raw.rows("CREATE UNIQUE INDEX CONCURRENTLY twice_a ON twice (a)").await;
    assert!(failed.is_err());
    let failed = raw.rows("REINDEX INDEX CONCURRENTLY twice_a").await;
    assert!(failed.is_err());

    let report = diagnose(&database.url(), &["tables.invalid-index"]).await;

    let steps = fix_steps(report.check("tables.invalid-index").unwrap(), false);
    let commands: Vec<(&str, bool)> =
        steps.iter().map(|step| (step.fix().command.as_str(), matches!(step, FixStep::Statement(_)))).collect();
    assert!(commands.contains(&("DROP INDEX CONCURRENTLY twice_a_ccnew", true)), "{commands:?}");
    let by_hand = "remove the rows with equal values, then REINDEX INDEX CONCURRENTLY twice_a";
    assert!(commands.contains(&(by_hand, false)), "{commands:?}");
}

/// The diagnosis reads only, also where it finds the journal mode wrong.
#[tokio::test]
async fn a_file_without_the_log_is_not_changed() {
    let database = super::file::file().await;
    super::file::run(database.path(), "PRAGMA journal_mode = DELETE").await;
    let before = std::fs::read(database.path()).unwrap();

    let report = diagnose(&database.url(), &[]).await;

    assert_eq!(status(&report, "sqlite.journal-mode"), Verdict::Warning);
    assert!(std::fs::read(database.path()).unwrap() == before);
}

/// With its owner it would get the owner's rights.
#[tokio::test]
async fn an_object_of_another_role_gets_no_owner_without_a_person() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = crate::support::logins::give_away(&database, &mut raw).await;
    raw.run("CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'").await;

    let report = diagnose(&owner, &["isolation.owners"]).await;

    let steps = fix_steps(report.check("isolation.owners").unwrap(), false);
    assert!(!steps.is_empty() && steps.iter().all(|step| matches!(step, FixStep::Instruction(_))), "{steps:?}");
}

/// Another system may need a slot, a prepared transaction or a superuser.
#[tokio::test]
async fn what_cannot_be_restored_needs_a_person() {
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("SELECT pg_create_physical_replication_slot('standby', true); CREATE ROLE dba SUPERUSER LOGIN").await;

    let report = diagnose(&database.url(), &["server", "isolation"]).await;

    let steps = fix_steps(report.check("server.replication-slots").unwrap(), false);
    assert!(steps.iter().all(|step| matches!(step, FixStep::Instruction(_))), "{steps:?}");
    raw.run("SELECT pg_drop_replication_slot('standby')").await;
}

/// The records that wait are visible to the owner, and their times are not.
#[tokio::test]
async fn who_cannot_see_since_when_records_wait_does_not_call_it_healthy() {
    let cluster = Cluster::shared().await.unwrap();
    let database = seeded(cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = crate::support::logins::give_away(&database, &mut raw).await;
    let check = "application.audit-backlog";
    let seen_by_a_superuser = diagnose(&database.url(), &[check]).await;
    assert_eq!(status(&seen_by_a_superuser, check), Verdict::Ok);

    let report = diagnose(&owner, &[check]).await;

    assert_eq!(status(&report, check), Verdict::NotChecked, "{:?}", report.check(check));
}

#[tokio::test]
async fn a_login_that_was_not_provisioned_and_reaches_every_tenant_is_found() {
    const CHECK: &str = "isolation.unrecorded-logins";
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = crate::support::logins::give_away(&database, &mut raw).await;
    let owner_name =
        raw.rows("SELECT tableowner::text FROM pg_tables WHERE tablename = 'Task'").await.unwrap().remove(0);
    let before = diagnose(&database.url(), &[CHECK]).await;
    assert_eq!(status(&before, CHECK), Verdict::Ok, "{:?}", before.check(CHECK));
    raw.run(&format!(
        "CREATE ROLE by_role LOGIN NOINHERIT; GRANT rylie_platform TO by_role; CREATE ROLE by_owner LOGIN; GRANT \"{owner_name}\" TO by_owner; \
         CREATE ROLE by_program LOGIN; GRANT pg_execute_server_program TO by_program; CREATE ROLE by_data LOGIN; GRANT pg_write_all_data TO by_data; \
         CREATE ROLE dumps BYPASSRLS LOGIN; GRANT pg_read_all_data TO dumps; CREATE ROLE by_backup LOGIN; GRANT dumps TO by_backup; CREATE ROLE reads_own LOGIN; GRANT pg_monitor TO reads_own"
    ))
    .await;

    let report = diagnose(&owner, &[CHECK]).await;

    let mut objects: Vec<_> = report.check(CHECK).unwrap().evidence.iter().map(|found| found.object.as_str()).collect();
    objects.sort_unstable();
    assert_eq!(objects, ["login by_backup", "login by_data", "login by_owner", "login by_program", "login by_role"]);
}

#[tokio::test]
async fn rights_of_a_stray_login_past_row_level_security_are_found() {
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run(
        "CREATE ROLE stray LOGIN; GRANT TRUNCATE ON \"Task\" TO stray; GRANT SELECT ON \"VerificationToken\" TO stray",
    )
    .await;

    let report = diagnose(&database.url(), &["isolation.grants"]).await;

    let grants = report.check("isolation.grants").unwrap();
    assert_eq!(grants.status, Verdict::Critical, "{grants:?}");
    let fix = &grants.fix.as_ref().unwrap().command;
    assert!(fix.contains("REVOKE TRUNCATE ON \"Task\" FROM stray"), "{fix}");
    raw.run(fix).await;
    assert_eq!(status(&diagnose(&database.url(), &["isolation.grants"]).await, "isolation.grants"), Verdict::Ok);
}
