//! Each planted fault is found by its check, and by no other one.

use rylie_db::Config;
use rylie_testkit::Cluster;

use super::plants::{APPLICATION, ISOLATION, OBSTACLES, PEOPLE, Plant, ROLES, SERVER, TABLES, UNLIKE_KEYS};
use super::{diagnose, diagnose_with, found, seeded, status};
use crate::support::raw::Raw;

/// Undoes what plants change on the whole server.
async fn tidy(raw: &mut Raw) {
    raw.run(
        "ALTER ROLE rylie_identity NOBYPASSRLS; UPDATE pg_database SET datconnlimit = -1 WHERE datname = 'template1'",
    )
    .await;
    raw.run("SELECT pg_drop_replication_slot(slot_name)::text FROM pg_replication_slots").await;
    for role in ROLES {
        raw.run(&format!(
            "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN EXECUTE 'REASSIGN OWNED BY {role} TO CURRENT_USER'; \
             EXECUTE 'DROP OWNED BY {role}'; EXECUTE 'DROP ROLE {role}'; END IF; END $$"
        ))
        .await;
    }
}

/// Plants each fault in its own database, and compares the findings of the group before and after.
async fn each_is_found(plants: &[Plant], first: &str, group: &str) {
    // A private server: some faults concern all its databases.
    let cluster = Cluster::private().await.unwrap();
    for Plant { check, sql, also } in plants {
        let database = seeded(&cluster).await;
        let mut raw = Raw::connect(&database.url()).await;
        if !first.is_empty() {
            raw.run(first).await;
        }
        let before = diagnose(&database.url(), &[group]).await;
        assert!(
            !status(&before, check).is_finding(),
            "{check} finds something before the plant: {:?}",
            before.check(check)
        );

        raw.run(sql).await;
        let after = diagnose(&database.url(), &[group]).await;

        let of_check = after.check(check).unwrap();
        assert!(of_check.status.is_finding() && of_check.fix.is_some(), "{check} does not find {sql}: {of_check:?}");
        let new: Vec<&str> = found(&after).into_iter().filter(|id| !found(&before).contains(id)).collect();
        let others: Vec<&&str> = new.iter().filter(|id| *id != check && !also.contains(id)).collect();
        assert!(others.is_empty(), "{others:?} find {sql} too");
        tidy(&mut raw).await;
    }
}

#[tokio::test]
async fn each_fault_of_isolation_is_found_by_its_check_alone() {
    each_is_found(ISOLATION, "", "isolation").await;
}

#[tokio::test]
async fn each_fault_of_tables_is_found_by_its_check_alone() {
    each_is_found(TABLES, "ANALYZE", "tables").await;
}

#[tokio::test]
async fn each_fault_of_the_server_is_found_by_its_check_alone() {
    each_is_found(SERVER, "", "server").await;
}

#[tokio::test]
async fn each_fault_of_the_application_is_found_by_its_check_alone() {
    each_is_found(APPLICATION, PEOPLE, "application").await;
}

#[tokio::test]
async fn many_faults_at_once_are_all_found() {
    let cluster = Cluster::shared().await.unwrap();
    let database = seeded(cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    let planted: Vec<&Plant> = ISOLATION
        .iter()
        .chain(TABLES)
        .filter(|plant| {
            // Faults of the whole server would disturb other tests.
            !plant.sql.contains("ROLE")
                && !plant.sql.contains("twin")
                && !plant.sql.contains("POLICY rylie_tenant ON \"Task\"")
        })
        .collect();
    for plant in &planted {
        // Two plants may touch one object; the first one suffices.
        let _ = raw.rows(plant.sql).await;
    }

    let report = diagnose(&database.url(), &[]).await;

    let missing: Vec<&str> =
        planted.iter().map(|plant| plant.check).filter(|check| !status(&report, check).is_finding()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_database_with_another_fingerprint_is_found() {
    let cluster = Cluster::shared().await.unwrap();
    let database = seeded(cluster).await;
    let config = Config::builder().set("database_url", database.url()).unwrap();
    let config = config.set("fingerprint", "00000000-0000-4000-8000-000000000000").unwrap().build().unwrap();

    let report = diagnose_with(&config, &["application"], &[]).await;

    assert!(status(&report, "application.marker").is_finding());
}

/// Checks that trip by their thresholds.
pub(super) const BY_THRESHOLD: [&str; 6] = [
    "queries.plans",
    "tables.wraparound",
    "tables.multixact-wraparound",
    "server.wal-size",
    "server.shared-buffers",
    "application.audit-backlog",
];

#[tokio::test]
async fn each_obstacle_to_citus_is_found_until_it_is_removed() {
    let cluster = Cluster::private().await.unwrap();
    for Plant { check, sql, .. } in OBSTACLES {
        let database = seeded(&cluster).await;
        assert!(status(&diagnose(&database.url(), &[check]).await, check).is_finding(), "{check}");
        Raw::connect(&database.url()).await.run(sql).await;
        let after = diagnose(&database.url(), &[check]).await;
        assert_eq!(status(&after, check), rylie_db::maintenance::Verdict::Ok, "{:?}", after.check(check));
    }
    each_is_found(&[UNLIKE_KEYS], "", "shardable").await;
}

#[tokio::test]
async fn thresholds_trip_what_a_test_cannot_plant() {
    let cluster = Cluster::shared().await.unwrap();
    let database = seeded(cluster).await;
    let config = Config::new(&database.url()).unwrap();
    // The plans of small tables use indexes as well.
    let scans = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', current_database()); \
         EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan = off', current_database()); END $$";
    Raw::connect(&database.url()).await.run(scans).await;
    for check in BY_THRESHOLD {
        let at = |value: &str| [format!("{check}={value}"), format!("{check}.critical={value}")];
        let (low, high) = (at("0"), at("1000000000000"));
        let tripped = diagnose_with(&config, &[check], &[&low[0], &low[1]]).await;
        let healthy = diagnose_with(&config, &[check], &[&high[0], &high[1]]).await;
        assert!(status(&tripped, check).is_finding(), "{:?}", tripped.check(check));
        assert!(!status(&healthy, check).is_finding(), "{:?}", healthy.check(check));
    }
}

#[tokio::test]
async fn settings_that_lose_data_are_critical() {
    // The test server runs with them.
    let cluster = Cluster::shared().await.unwrap();
    let database = seeded(cluster).await;
    let report = diagnose(&database.url(), &["server"]).await;
    for check in ["server.fsync", "server.full-page-writes", "server.autovacuum"] {
        assert_eq!(status(&report, check), rylie_db::maintenance::Verdict::Critical, "{check}");
    }
    for check in ["server.synchronous-commit", "server.trust", "server.timeouts"] {
        assert!(status(&report, check).is_finding(), "{check}");
    }
}
