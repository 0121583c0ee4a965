//! SQLite files: each planted fault is found by its check.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rylie_db::Config;
use rylie_db::maintenance::Verdict;
use rylie_testkit::SqliteDatabase;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::{diagnose, diagnose_with, fill, found, status};

pub(super) async fn file() -> SqliteDatabase {
    let database = SqliteDatabase::new().unwrap();
    fill(&database.url()).await.unwrap();
    database
}

pub(super) async fn run(path: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_new_file_has_no_finding_of_the_file() {
    let database = file().await;
    let report = diagnose(&database.url(), &["sqlite", "application"]).await;
    assert_eq!(found(&report), Vec::<&str>::new(), "{report:#?}");
    assert!(report.checks.len() >= 15);
}

/// Each fault of a file with the statements that plant it.
pub(super) const FAULTS: &[(&str, &str)] = &[
    ("sqlite.journal-mode", "PRAGMA journal_mode = DELETE"),
    (
        "sqlite.foreign-key-rows",
        "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires, \"tenantId\") VALUES ('s', 's', 'ghost', '2999-01-01 00:00:00', 'a1')",
    ),
    (
        "sqlite.free-pages",
        "CREATE TABLE big (id integer PRIMARY KEY, t blob); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO big SELECT i, randomblob(4000) FROM n; DROP TABLE big",
    ),
    ("sqlite.tenant-column", "CREATE TABLE \"Note\" (id text PRIMARY KEY, \"userId\" text)"),
    ("sqlite.tenant-index", "CREATE TABLE \"Extra\" (id text PRIMARY KEY, \"tenantId\" text NOT NULL)"),
    ("sqlite.audit-triggers", "DROP TRIGGER \"AuditLog_no_update\""),
    ("sqlite.no-primary-key", "CREATE TABLE loose (n int)"),
    ("application.drift", "DROP INDEX \"Request_pending_idx\""),
    ("application.audit-logging", "UPDATE \"SystemSettings\" SET \"auditLogging\" = 0"),
    (
        "application.super-admins",
        "INSERT INTO \"User\" (id, email, role, \"updatedAt\") VALUES ('r1', 'r1@x', 'SUPER_ADMIN', '2026-01-01 00:00:00'), ('r2', 'r2@x', 'SUPER_ADMIN', '2026-01-01 00:00:00')",
    ),
    (
        "application.expired-sessions",
        "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES ('s', 's', 'u1', '2020-01-01 00:00:00')",
    ),
    (
        "application.secrets-plain",
        "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\") VALUES ('g', 'u1', 'ya29.canary', '2026-01-01 00:00:00')",
    ),
    (
        "application.secrets-keys",
        "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\") VALUES ('g', 'u1', 'rylie1.k1.short', '2026-01-01 00:00:00')",
    ),
    (
        "application.jobs-failing",
        "INSERT INTO rylie_job_runs (job, due, status, manual, finished, error) VALUES ('vacuum', '2026-01-01 00:00:00', 'failed', 0, '2026-01-01 00:00:00', 'x')",
    ),
    (
        "application.migrations",
        "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)",
    ),
    (
        "sqlite.statistics",
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", \"tenantId\") WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
         SELECT 'q' || i, 'u1', 'a1', 't', 'd', 'x', '2026-01-01 00:00:00', 'a1' FROM n; DROP TABLE IF EXISTS sqlite_stat1",
    ),
    (
        "application.expired-tokens",
        "INSERT INTO \"VerificationToken\" (identifier, token, expires) VALUES ('i', 't', '2020-01-01 00:00:00')",
    ),
    (
        "application.inactive-users",
        "UPDATE \"User\" SET \"updatedAt\" = '2020-01-01 00:00:00', \"createdAt\" = '2020-01-01 00:00:00' WHERE id = 'u1'; INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES ('s', 's', 'u1', '2999-01-01 00:00:00')",
    ),
    (
        "application.long-sessions",
        "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES ('s', 's', 'u1', '2999-01-01 00:00:00')",
    ),
    (
        "application.users-without-agency",
        "INSERT INTO \"User\" (id, email, \"updatedAt\") VALUES ('u2', 'u2@x', '2026-01-01 00:00:00')",
    ),
    ("application.api-keys", "UPDATE \"User\" SET \"apiKey\" = 'rylie1.k1.aaaa' WHERE id = 'u1'"),
    (
        "application.quotas",
        "UPDATE \"User\" SET \"activePackageType\" = 'SILVER', \"pagesUsedThisPeriod\" = 99 WHERE id = 'u1'",
    ),
    (
        "application.usage-counters",
        "UPDATE \"User\" SET \"activePackageType\" = 'GOLD', \"currentBillingPeriodStart\" = strftime('%Y-%m-%d %H:%M:%S', 'now', '-1 day'), \"currentBillingPeriodEnd\" = '2999-01-01 00:00:00' WHERE id = 'u1'; \
         INSERT INTO \"UsageEvent\" (id, \"userId\", key, kind, \"countedAt\", \"tenantId\") VALUES ('e', 'u1', 'k', 'PAGE', strftime('%Y-%m-%d %H:%M:%S', 'now'), 'a1')",
    ),
    (
        "application.usage-archive",
        "INSERT INTO \"MonthlyUsage\" (id, \"userId\", month, year, \"packageType\", \"pagesUsed\", \"blogsUsed\", \"gbpPostsUsed\", \"improvementsUsed\") VALUES ('m', 'u1', 5, 2026, 'GOLD', -1, 0, 0, 0)",
    ),
    (
        "application.usage-periods",
        "UPDATE \"User\" SET \"activePackageType\" = 'GOLD', \"currentBillingPeriodStart\" = '2020-01-01 00:00:00', \"currentBillingPeriodEnd\" = '2020-02-01 00:00:00' WHERE id = 'u1'",
    ),
    (
        "application.purge-backlog",
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\", deleted, \"deletedAt\") VALUES ('q', 'u1', 'a1', 't', 'd', 'x', '2026-01-01 00:00:00', 1, '2020-01-01 00:00:00')",
    ),
    (
        "application.request-counts",
        "INSERT INTO \"RequestCount\" (\"tenantId\", status, requests) VALUES ('a1', 'PENDING', 1)",
    ),
    (
        "application.jobs-stuck",
        "INSERT INTO rylie_job_runs (job, due, status, manual, holder, started, leased_until) VALUES ('vacuum', '2026-01-01 00:00:00', 'running', 0, 'h', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    ),
    (
        "application.alerts-undelivered",
        "INSERT INTO rylie_alert_deliveries (id, alert, target, event, threshold, value, created_at, error) VALUES ('d', 'x', 'mailto:a@x', 'crossed', 1, 2, '2026-01-01 00:00:00', 'refused')",
    ),
    (
        "application.threshold-crossed",
        "INSERT INTO rylie_alerts (name, threshold, crossed, value, changed_at, checked_at) VALUES ('database_bytes', 1, 1, 2, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    ),
    ("application.maintenance-mode", "UPDATE \"SystemSettings\" SET \"maintenanceMode\" = 1"),
    ("application.settings-row", "DELETE FROM \"SystemSettings\""),
    ("application.coexistence", "UPDATE rylie_database SET state = 'coexistence', adopted_at = '2020-01-01 00:00:00'"),
    ("application.marker", "DELETE FROM rylie_database"),
    (
        "application.tenant-key",
        "DROP TRIGGER \"User_tenantId_update\"; PRAGMA ignore_check_constraints = on; UPDATE \"User\" SET \"tenantId\" = 'other' WHERE id = 'u1'",
    ),
];

/// Faults of rights and pages.
pub(super) const OF_THE_FILE: [&str; 4] =
    ["sqlite.file-rights", "sqlite.folder-rights", "sqlite.integrity", "sqlite.wal-size"];

#[tokio::test]
async fn each_fault_of_a_file_is_found_by_its_check() {
    const AGENCY: &str = "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'n', '2026-01-01 00:00:00'); \
         INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") VALUES ('u1', 'u1@x', 'a1', '2026-01-01 00:00:00');";
    for (check, sql) in FAULTS {
        let database = file().await;
        run(database.path(), AGENCY).await;
        assert!(!status(&diagnose(&database.url(), &[check]).await, check).is_finding(), "{check} before the plant");

        run(database.path(), sql).await;

        let report = diagnose(&database.url(), &[check]).await;
        assert!(status(&report, check).is_finding(), "{:?}", report.check(check));
    }
}

#[tokio::test]
async fn faults_of_rights_and_pages_are_found() {
    let database = file().await;
    let is = async |check: &str| status(&diagnose(&database.url(), &[check]).await, check);
    for check in OF_THE_FILE {
        assert_eq!(is(check).await, Verdict::Ok, "{check}");
    }
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(database.path(), 0o644);
    assert_eq!(is("sqlite.file-rights").await, Verdict::Warning);
    mode(database.path().parent().unwrap(), 0o777);
    assert_eq!(is("sqlite.folder-rights").await, Verdict::Warning);
    let size = ["sqlite.wal-size=0"];
    let report = diagnose_with(&Config::new(&database.url()).unwrap(), &["sqlite.wal-size"], &size).await;
    assert!(status(&report, "sqlite.wal-size").is_finding());
    damage(database.path()).await;
    assert_eq!(is("sqlite.integrity").await, Verdict::Critical);
}

/// Overwrites pages in the middle of the file.
async fn damage(path: &Path) {
    run(path, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 16_384].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_missing_file_is_a_finding_and_is_not_created() {
    let database = SqliteDatabase::new().unwrap();
    let report = diagnose(&database.url(), &[]).await;
    assert_eq!(status(&report, "server.reachable"), Verdict::Critical);
    assert!(!database.path().exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_not_healthy() {
    let database = SqliteDatabase::new().unwrap();
    std::fs::write(database.path(), "no database, but a text that is long enough to be read as one".repeat(100))
        .unwrap();
    let report = diagnose(&database.url(), &[]).await;
    assert_eq!(found(&report), ["sqlite.integrity"]);
}
