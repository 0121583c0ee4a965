//! A login without rights: nothing is healthy that was not looked at, and nothing is written.

use rylie_db::maintenance::Verdict;
use rylie_migration::{Login, Provision, Sees};
use rylie_testkit::Cluster;

use super::plants::{ISOLATION, PEOPLE, TABLES};
use super::{diagnose, seeded, status};
use crate::support::raw::Raw;
use crate::support::sql::migrations;

/// Checks that need no right: the catalog, the settings and the counters are readable by every login, and some evidence
/// is outside the database.
const WITHOUT_A_RIGHT: &[&str] = &[
    "activity.connections",
    "activity.connection-limits",
    "activity.prepared-transactions",
    "activity.deadlocks",
    "queries.statistics",
    "tables.invalid-index",
    "tables.duplicate-index",
    "tables.unused-index",
    "tables.unindexed-foreign-key",
    "tables.sequential-scans",
    "tables.no-primary-key",
    "tables.unvalidated-constraint",
    "tables.disabled-trigger",
    "tables.unlogged",
    "tables.dead-rows",
    "tables.autovacuum-off",
    "tables.stale-statistics",
    "tables.wraparound",
    "tables.multixact-wraparound",
    "tables.cache-hits",
    "tables.outdated-extension",
    "server.reachable",
    "server.replica",
    "server.minor-version",
    "server.invalid-database",
    "server.collation",
    "server.fsync",
    "server.full-page-writes",
    "server.checksums",
    "server.synchronous-commit",
    "server.replication-slots",
    "server.slot-limit",
    "server.checkpoints",
    "server.temporary-files",
    "server.autovacuum",
    "server.track-counts",
    "server.timeouts",
    "server.read-only",
    "server.shared-buffers",
    "server.login-expiry",
    "server.clock",
    "isolation.row-security",
    "isolation.policy",
    "isolation.extra-policy",
    "isolation.with-check",
    "isolation.rules",
    "isolation.tenant-column",
    "isolation.tenant-nullable",
    "isolation.tenant-index",
    "isolation.composite-keys",
    "isolation.definer-functions",
    "isolation.search-path",
    "isolation.owners",
    "isolation.views",
    "isolation.materialized-views",
    "isolation.partitions",
    "isolation.event-triggers",
    "isolation.public-grants",
    "isolation.default-privileges",
    "isolation.schema-create",
    "isolation.publications",
    "isolation.audit-rights",
    "isolation.session-defaults",
    "isolation.superusers",
    "isolation.bypass-logins",
    "isolation.service-logins",
    "isolation.unit-roles",
    "isolation.unrecorded-logins",
];

/// The check that a second database of the server trips.
pub(super) const BY_ANOTHER_DATABASE: &str = "isolation.unrecorded-logins";

#[tokio::test]
async fn a_check_without_its_right_is_not_checked_and_says_why() {
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("CREATE ROLE doctor_guest LOGIN").await;
    raw.run(PEOPLE).await;
    // Faults, so that a check that looks at nothing would differ from the owner's.
    for plant in TABLES.iter().chain(ISOLATION).filter(|plant| !plant.sql.contains("ROLE")) {
        let _ = raw.rows(plant.sql).await;
    }
    // The plants' rights for everybody are not part of this.
    raw.run("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC; REVOKE SELECT (email) ON \"User\" FROM PUBLIC")
        .await;

    let all = diagnose(&database.url(), &[]).await;
    let guest = diagnose(&database.url_as("doctor_guest"), &[]).await;

    let looked_at: Vec<&str> = guest
        .checks
        .iter()
        .filter(|check| check.status != Verdict::NotChecked)
        .map(|check| check.id.as_str())
        // From 18 on, pages have checksums by default, which may then have failed.
        .filter(|id| *id != "server.checksum-failures")
        .collect();
    assert_eq!(looked_at, WITHOUT_A_RIGHT, "every other check needs a right");
    for check in guest.checks.iter().filter(|check| check.status == Verdict::NotChecked) {
        assert!(check.reason.as_deref().is_some_and(|reason| reason.len() > 10), "{check:?}");
    }
    for check in guest.checks.iter().filter(|check| check.status == Verdict::Ok) {
        assert!(
            !status(&all, &check.id).is_finding(),
            "{} is healthy for the guest only: {:?}",
            check.id,
            all.check(&check.id)
        );
    }
}

#[tokio::test]
async fn a_run_changes_no_row_and_leaves_no_transaction() {
    const STATE: &str = "SELECT string_agg(c.relname || ' ' || (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM public.%I', c.relname), false, true, '')))[1]::text, ' ' ORDER BY c.relname) \
         FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace";
    let cluster = Cluster::shared().await.unwrap();
    let database = seeded(cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run(PEOPLE).await;
    let before = raw.rows(STATE).await.unwrap();

    diagnose(&database.url(), &[]).await;

    assert_eq!(raw.rows(STATE).await.unwrap(), before);
    let open = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'";
    assert_eq!(raw.rows(open).await.unwrap(), ["0"]);
}

#[tokio::test]
async fn a_login_that_may_only_read_makes_a_whole_run() {
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("CREATE ROLE doctor_watcher LOGIN BYPASSRLS; GRANT pg_read_all_data, pg_monitor TO doctor_watcher; ALTER ROLE doctor_watcher SET default_transaction_read_only = on").await;

    let report = diagnose(&database.url_as("doctor_watcher"), &[]).await;

    for group in ["activity.", "tables.", "application.expired-sessions", "application.drift"] {
        let checks: Vec<_> = report.checks.iter().filter(|check| check.id.starts_with(group)).collect();
        assert!(checks.iter().any(|check| check.status == Verdict::Ok), "{checks:?}");
    }
    for check in ["isolation.probe-tenant", "isolation.probe-identity", "isolation.probe-platform"] {
        assert_eq!(status(&report, check), Verdict::NotChecked, "{check}");
    }
}

/// Each kind of login, as `rylie roles provision` creates it, passes the checks of logins. One that units need is found
/// without its roles.
#[tokio::test]
async fn provisioned_logins_are_healthy_until_they_lose_a_role() {
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let login = |name: &str| Some(Login { name: name.to_owned(), password: None });
    let mut owner = migrations(&database.url()).await;
    let kinds = Provision {
        app: login("doctor_jobs"),
        sealer: login("doctor_seals"),
        readonly: login("doctor_reads"),
        sees: Some(Sees::EveryTenant { reason: "reports".to_owned() }),
        backup: login("doctor_backs"),
        ..Provision::default()
    };
    owner.provision(&kinds).await.unwrap();
    let app = Provision { app: login("doctor_serves"), no_platform: true, ..Provision::default() };
    owner.provision(&app).await.unwrap();

    let report = diagnose(&database.url(), &["isolation"]).await;
    for check in ["service-logins", "provisioned-logins", "bypass-logins", "unit-roles", "grants"] {
        let id = format!("isolation.{check}");
        assert_eq!(status(&report, &id), Verdict::Ok, "{:?}", report.check(&id));
    }

    let mut raw = Raw::connect(&database.url()).await;
    raw.run("REVOKE rylie_doors FROM doctor_jobs; REVOKE rylie_tenant FROM doctor_serves; REVOKE rylie_sealer FROM doctor_seals").await;
    let report = diagnose(&database.url(), &["isolation.provisioned-logins"]).await;
    let evidence = &report.check("isolation.provisioned-logins").unwrap().evidence;
    let objects: Vec<_> = evidence.iter().map(|found| found.object.as_str()).collect();
    assert_eq!(objects.len(), 3, "{objects:?}");
    for found in evidence {
        raw.run(&found.fix.as_ref().unwrap().command).await;
    }
    let report = diagnose(&database.url(), &["isolation"]).await;
    assert_eq!(status(&report, "isolation.provisioned-logins"), Verdict::Ok);

    for (lost, objects) in [
        (format!("REVOKE CONNECT ON DATABASE \"{}\" FROM PUBLIC", database.name()), 4),
        ("REVOKE USAGE ON SCHEMA public FROM PUBLIC".to_owned(), 4),
        ("REVOKE SELECT ON rylie_migrations, rylie_database FROM doctor_jobs".to_owned(), 1),
        ("REVOKE rylie_identity FROM rylie_doors".to_owned(), 1),
    ] {
        raw.run(&lost).await;
        let report = diagnose(&database.url(), &["isolation.provisioned-logins"]).await;
        let evidence = &report.check("isolation.provisioned-logins").unwrap().evidence;
        assert_eq!(evidence.len(), objects, "{lost}: {evidence:?}");
        for found in evidence {
            raw.run(&found.fix.as_ref().unwrap().command).await;
        }
        let report = diagnose(&database.url(), &["isolation.provisioned-logins"]).await;
        assert_eq!(status(&report, "isolation.provisioned-logins"), Verdict::Ok, "{lost}");
    }
}

#[tokio::test]
async fn a_login_of_another_database_that_may_enter_is_found() {
    let cluster = Cluster::private().await.unwrap();
    let (database, other) = (seeded(&cluster).await, seeded(&cluster).await);
    let mut raw = Raw::connect(&other.url()).await;
    raw.run("CREATE ROLE doctor_staging LOGIN NOINHERIT; GRANT SELECT ON rylie_database TO doctor_staging").await;
    let report = diagnose(&database.url(), &[BY_ANOTHER_DATABASE]).await;
    assert_eq!(status(&report, BY_ANOTHER_DATABASE), Verdict::Ok);

    raw.run("GRANT rylie_doors TO doctor_staging").await;
    let report = diagnose(&database.url(), &[BY_ANOTHER_DATABASE]).await;
    let evidence = &report.check(BY_ANOTHER_DATABASE).unwrap().evidence;
    let named = evidence.iter().find(|found| found.object == "login doctor_staging").unwrap();
    assert!(named.detail.ends_with(other.name()), "{named:?}");

    raw.run(&format!("REVOKE CONNECT ON DATABASE \"{}\" FROM PUBLIC", database.name())).await;
    let report = diagnose(&database.url(), &[BY_ANOTHER_DATABASE]).await;
    assert_eq!(status(&report, BY_ANOTHER_DATABASE), Verdict::Ok);
}
