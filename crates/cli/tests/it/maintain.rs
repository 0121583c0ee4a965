//! `rylie maintain`

use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use crate::support::Folder;

#[test]
fn an_unmigrated_database_is_reported() {
    for job in ["sessions", "usage"] {
        Folder::new().run(["maintain", job]).expect(1).says("run `rylie migrate deploy`");
    }
}

#[test]
fn with_nothing_to_do_the_jobs_do_nothing() {
    let folder = Folder::migrated();
    let sessions = folder.run(["maintain", "sessions", "--json"]).expect(0).json();
    assert_eq!(sessions, json!({ "deleted": 0, "verification_tokens": 0 }));
    assert_eq!(folder.run(["maintain", "usage", "--json"]).expect(0).json(), json!({ "archived": 0 }));
}

#[tokio::test]
async fn expired_sessions_are_deleted_and_counted() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    let mut connection = SqliteConnection::connect(&folder.url()).await.unwrap();
    let sql = r#"INSERT INTO "Session" ("id", "sessionToken", "userId", "expires")
        SELECT 's' || "value", 't' || "value", (SELECT "id" FROM "User" LIMIT 1), "value" FROM
        json_each('["2001-01-01 00:00:00.000", "2002-01-01 00:00:00.000", "2999-01-01 00:00:00.000"]')"#;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();

    let report = folder.run(["maintain", "sessions", "--json"]).expect(0).json();

    assert_eq!(report["deleted"], 2);
}

/// Creates a folder with one user, who used a page in a period that began in January 2001, and a long-deleted request.
async fn with_old_rows() -> (Folder, SqliteConnection) {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    let mut connection = SqliteConnection::connect(&folder.url()).await.unwrap();
    let sql = r#"UPDATE "User" SET "activePackageType" = 'GOLD', "pagesUsedThisPeriod" = 2,
            "currentBillingPeriodStart" = '2001-01-31 00:00:00', "currentBillingPeriodEnd" = '2001-02-28 00:00:00';
        INSERT INTO "Request" ("id", "userId", "title", "description", "type", "updatedAt", "deleted", "deletedAt")
        SELECT 'old', "id", 't', 'd', 'page', '2001-01-01 00:00:00', 1, '2001-01-01 00:00:00' FROM "User";
        INSERT INTO "UsageEvent" ("id", "userId", "key", "kind", "countedAt", "tenantId")
        SELECT 'old', "id", 'k', 'PAGE', '2001-01-01 00:00:00', "tenantId" FROM "User""#;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    (folder, connection)
}

#[tokio::test]
async fn the_usage_of_one_month_is_closed_once() {
    let (folder, mut connection) = with_old_rows().await;
    let run = |period: &str| folder.run(["maintain", "usage", "--period", period, "--json"]).expect(0).json();

    assert_eq!(run("2001-02"), json!({ "archived": 0 }));
    assert_eq!([run("2001-01"), run("2001-01")], [json!({ "archived": 1 }), json!({ "archived": 0 })]);

    let row: (i64, i64, i64, String) = sqlx::query_as(
        r#"SELECT m."year", m."month", m."pagesUsed", u."currentBillingPeriodEnd" FROM "MonthlyUsage" m JOIN "User" u ON u."id" = m."userId""#,
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(row, (2001, 1, 2, "2001-03-31 00:00:00".to_owned()));
}

#[tokio::test]
async fn a_reset_closes_everybody_now() {
    let (folder, _connection) = with_old_rows().await;
    let dry = folder.run(["maintain", "usage", "--reset", "--dry-run"]).expect(0);
    assert_eq!(dry.out, "would have archived and reset the usage of 1 users\n");
    assert_eq!(
        folder.run(["maintain", "usage", "--dry-run"]).expect(0).out,
        "would have archived the billing periods of 1 users\n"
    );
    assert_eq!(folder.run(["maintain", "usage", "--reset", "--json"]).expect(0).json(), json!({ "archived": 1 }));
    assert_eq!(folder.run(["maintain", "usage", "--json"]).expect(0).json(), json!({ "archived": 0 }));
}

#[tokio::test]
async fn what_is_old_is_purged() {
    let (folder, _connection) = with_old_rows().await;
    let purge = |more: &[&str]| folder.run([&["maintain", "purge", "--json"], more].concat()).expect(0).json();

    let dry = purge(&["--older-than", "30d", "--dry-run"]);
    assert_eq!(dry, json!({ "deleted": 1, "requests": 1, "tasks": 0, "own": 0, "dry_run": true }));
    assert_eq!(purge(&["--older-than", "36500d"])["deleted"], 0);
    assert_eq!(purge(&["--limit", "0"])["deleted"], 0);
    assert_eq!(purge(&[])["deleted"], 1);
    let events = folder.run(["maintain", "usage-events", "--json"]).expect(0).json();
    assert_eq!(events, json!({ "deleted": 1 }));
}

#[test]
fn what_is_no_month_or_age_is_bad_usage() {
    let folder = Folder::migrated();
    for arguments in [
        ["usage", "--period", "2026-13"],
        ["usage", "--period", "January"],
        ["purge", "--older-than", "30"],
        ["purge", "--limit", "-1"],
    ] {
        folder.run([&["maintain"], &arguments[..]].concat()).expect(2);
    }
}
