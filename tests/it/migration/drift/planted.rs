//! Individually planted drifts.

use rylie_migration::Drift;
use rylie_testkit::SqliteDatabase;

use super::{drift, fix, migrated, objects};
use crate::support::sql::{Sql, deploy};

/// Manual changes, with the first difference that each is reported as.
const ON_POSTGRES: &[(&str, &str)] = &[
    ("DROP TABLE \"MonthlyUsage\"", "table MonthlyUsage"),
    ("DROP TABLE \"VerificationToken\"", "table VerificationToken"),
    ("ALTER TABLE \"Task\" DROP COLUMN priority", "column Task.priority"),
    ("ALTER TABLE \"Session\" DROP COLUMN expires", "column Session.expires"),
    ("ALTER TABLE \"User\" ALTER COLUMN name TYPE varchar(50)", "column User.name"),
    ("ALTER TABLE \"MonthlyUsage\" ALTER COLUMN month TYPE bigint", "column MonthlyUsage.month"),
    ("ALTER TABLE \"Request\" ALTER COLUMN \"createdAt\" TYPE timestamptz(3)", "column Request.createdAt"),
    ("ALTER TABLE \"Request\" ALTER COLUMN priority DROP DEFAULT", "column Request.priority"),
    ("ALTER TABLE \"Request\" ALTER COLUMN title SET DEFAULT 'x'", "column Request.title"),
    ("ALTER TABLE \"Request\" ALTER COLUMN title DROP NOT NULL", "column Request.title"),
    ("ALTER TABLE \"Request\" ALTER COLUMN \"pageTitle\" SET NOT NULL", "column Request.pageTitle"),
    ("DROP INDEX \"Request_tenantId_createdAt_idx\"", "index Request.Request_tenantId_createdAt_idx"),
    (
        "DROP INDEX \"Request_pending_idx\"; CREATE INDEX \"Request_pending_idx\" ON \"Request\" (\"tenantId\")",
        "index Request.Request_pending_idx",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Task_type_status_idx\"'::regclass",
        "index Task.Task_type_status_idx",
    ),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Task_pkey\"'::regclass", "index Task.Task_pkey"),
    ("ALTER INDEX \"Task_type_status_idx\" RENAME TO by_request", "index Task.Task_type_status_idx"),
    ("DROP INDEX \"User_email_key\"", "index User.User_email_key"),
    ("ALTER TABLE \"Task\" DROP CONSTRAINT \"Task_requestId_fkey\"", "constraint Task.Task_requestId_fkey"),
    (
        "ALTER TABLE \"Task\" DROP CONSTRAINT \"Task_userId_fkey\", ADD CONSTRAINT \"Task_userId_fkey\" FOREIGN KEY (\"userId\") REFERENCES \"User\" (id)",
        "constraint Task.Task_userId_fkey",
    ),
    (
        "ALTER TABLE \"User\" DROP CONSTRAINT \"User_tenantId_check\", ADD CONSTRAINT \"User_tenantId_check\" \
         CHECK (\"tenantId\" IS NOT NULL AND \"tenantId\" = COALESCE(\"agencyId\", 'user:' || id)) NOT VALID",
        "constraint User.User_tenantId_check",
    ),
    (
        "ALTER TABLE \"SystemSettings\" DROP CONSTRAINT \"SystemSettings_pkey\"",
        "constraint SystemSettings.SystemSettings_pkey",
    ),
    ("ALTER TABLE \"Task\" RENAME CONSTRAINT \"Task_userId_fkey\" TO tasks_user", "constraint Task.Task_userId_fkey"),
    ("DROP POLICY rylie_tenant ON \"Request\"", "policy Request.rylie_tenant"),
    ("ALTER POLICY rylie_tenant ON \"Request\" USING (true)", "policy Request.rylie_tenant"),
    ("ALTER POLICY rylie_tenant ON \"Request\" WITH CHECK (true)", "policy Request.rylie_tenant"),
    ("ALTER POLICY rylie_tenant ON \"Request\" TO rylie_tenant, rylie_identity", "policy Request.rylie_tenant"),
    ("CREATE POLICY everybody ON \"Request\" USING (true)", "policy Request.everybody"),
    ("ALTER TABLE \"Request\" DISABLE ROW LEVEL SECURITY", "row security of table Request"),
    ("ALTER TABLE \"Request\" NO FORCE ROW LEVEL SECURITY", "row security of table Request"),
    ("GRANT UPDATE, DELETE ON \"AuditLog\" TO rylie_tenant", "rights of rylie_tenant on table AuditLog"),
    ("REVOKE INSERT ON \"Request\" FROM rylie_platform", "rights of rylie_platform on table Request"),
    ("GRANT SELECT ON \"User\" TO PUBLIC", "rights of PUBLIC on table User"),
    ("GRANT UPDATE (role) ON \"User\" TO rylie_identity", "rights of rylie_identity on table User"),
    ("GRANT SELECT (\"accessToken\") ON \"GA4Connection\" TO PUBLIC", "rights of PUBLIC on table GA4Connection"),
    ("DROP TRIGGER \"User_tenantId\" ON \"User\"", "trigger User.User_tenantId"),
    ("ALTER TABLE \"User\" DISABLE TRIGGER \"User_tenantId\"", "trigger User.User_tenantId"),
    (
        "CREATE OR REPLACE TRIGGER \"Task_tenantId_insert\" BEFORE INSERT ON \"Task\" FOR EACH ROW EXECUTE FUNCTION rylie_tenant_from_request()",
        "trigger Task.Task_tenantId_insert",
    ),
    ("ALTER TABLE \"Task\" DISABLE TRIGGER ALL", "foreign keys of table Task"),
    (
        "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
         CREATE TRIGGER spy AFTER INSERT ON \"User\" FOR EACH ROW EXECUTE FUNCTION spy()",
        "trigger User.spy",
    ),
    ("CREATE RULE swallow AS ON DELETE TO \"Task\" DO INSTEAD NOTHING", "rule Task.swallow"),
    (
        "CREATE OR REPLACE FUNCTION rylie_tenant_of_user() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "function rylie_tenant_of_user()",
    ),
    ("ALTER FUNCTION rylie_tenant_of_user() SECURITY DEFINER", "function rylie_tenant_of_user()"),
    ("ALTER FUNCTION rylie_tenant_of_user() RESET search_path", "function rylie_tenant_of_user()"),
    ("REVOKE EXECUTE ON FUNCTION rylie_tenant_of_user() FROM PUBLIC", "function rylie_tenant_of_user()"),
    ("ALTER TABLE \"Session\" SET UNLOGGED", "table Session"),
];

/// Uses one database: each drift is fixed before the next is planted.
#[tokio::test]
async fn each_planted_drift_is_named_and_what_is_proposed_fixes_it() {
    let (database, mut sql) = migrated().await;
    let url = database.url();
    for (harm, object) in ON_POSTGRES {
        sql.run(harm).await;
        let found = drift(&url).await;
        assert!(objects(&found).contains(object), "{harm}: {:?}", objects(&found));
        for difference in &found.differences {
            assert_ne!(difference.expected, difference.found, "{harm}");
        }
        if harm.contains("TYPE timestamptz") {
            // The fix rebuilds the indexes on it; nothing else prevents it.
            sql.run("SET timezone = 'UTC'").await;
        }

        fix(&mut sql, &found).await;

        assert_eq!(drift(&url).await.differences, [], "{harm}, then {:?}", found.differences);
    }
    assert!(ON_POSTGRES.len() >= 20);
}

/// A change to one object is one difference.
#[tokio::test]
async fn one_change_is_one_difference() {
    let (database, mut sql) = migrated().await;
    let url = database.url();
    for (harm, object) in ON_POSTGRES.iter().filter(|(harm, _)| {
        !harm.starts_with("DROP TABLE") && !harm.contains("DROP COLUMN") && !harm.contains("DISABLE TRIGGER ALL")
    }) {
        sql.run(harm).await;
        let found = drift(&url).await;
        assert_eq!(objects(&found), [*object], "{harm}");
        fix(&mut sql, &found).await;
    }
}

/// A label cannot be removed, so this is the last one, on a separate database.
#[tokio::test]
async fn labels_are_compared_and_missing_ones_put_in_their_place() {
    let (database, mut sql) = migrated().await;
    sql.run("ALTER TYPE \"UserRole\" ADD VALUE 'GUEST'").await;
    let found = drift(&database.url()).await;
    assert_eq!(objects(&found), ["enum UserRole"]);
    assert!(found.differences[0].fix.is_empty() && found.differences[0].note.is_some());

    sql.run("DELETE FROM pg_enum WHERE enumtypid = '\"UserRole\"'::regtype AND enumlabel IN ('GUEST', 'AGENCY_ADMIN')")
        .await;
    let found = drift(&database.url()).await;
    assert_eq!(objects(&found), ["enum UserRole"]);
    fix(&mut sql, &found).await;
    assert_eq!(drift(&database.url()).await, Drift::default());
}

/// Every fix keeps the rows.
#[tokio::test]
async fn fixing_keeps_the_rows() {
    let (database, mut sql) = migrated().await;
    crate::support::old_service::fill(&mut sql).await;
    let before = sql.all("SELECT id || title FROM \"Request\" ORDER BY 1").await;
    for (harm, _) in ON_POSTGRES
        .iter()
        .filter(|(harm, _)| harm.contains("\"Request\"") && !harm.contains("DROP") && !harm.contains("pageTitle"))
    {
        sql.run(harm).await;
        let found = drift(&database.url()).await;
        fix(&mut sql, &found).await;
    }
    assert_eq!(sql.all("SELECT id || title FROM \"Request\" ORDER BY 1").await, before);
    assert_eq!(drift(&database.url()).await, Drift::default());
}

const ON_SQLITE: &[(&str, &str)] = &[
    ("DROP INDEX \"Request_tenantId_createdAt_idx\"", "index Request_tenantId_createdAt_idx"),
    (
        "DROP INDEX \"Task_userId_createdAt_idx\"; CREATE INDEX \"Task_userId_createdAt_idx\" ON \"Task\" (title)",
        "index Task_userId_createdAt_idx",
    ),
    ("DROP TRIGGER \"Task_tenantId_insert\"", "trigger Task_tenantId_insert"),
    ("CREATE TRIGGER spy AFTER INSERT ON \"User\" BEGIN SELECT 1; END", "trigger spy"),
    ("DROP INDEX \"Task_deletedAt_idx\"; ALTER TABLE \"Task\" DROP COLUMN \"deletedAt\"", "column Task.deletedAt"),
    ("DROP TABLE \"VerificationToken\"", "table VerificationToken"),
];

#[tokio::test]
async fn planted_drifts_are_named_and_fixed_on_sqlite_too() {
    let database = SqliteDatabase::new().unwrap();
    deploy(&database.url()).await;
    let mut sql = Sql::connect(&database.url()).await;
    for (harm, object) in ON_SQLITE {
        sql.run(harm).await;
        let found = drift(&database.url()).await;
        assert!(objects(&found).contains(object), "{harm}: {:?}", objects(&found));
        fix(&mut sql, &found).await;
        assert_eq!(drift(&database.url()).await.differences, [], "{harm}");
    }
}

#[tokio::test]
async fn what_somebody_added_on_sqlite_is_extra() {
    let database = SqliteDatabase::new().unwrap();
    deploy(&database.url()).await;
    let mut sql = Sql::connect(&database.url()).await;
    sql.run("CREATE TABLE extra (id TEXT); ALTER TABLE \"Task\" ADD COLUMN note TEXT; CREATE INDEX by_hand ON \"Task\" (title)").await;

    let found = drift(&database.url()).await;

    assert_eq!(objects(&found), Vec::<&str>::new());
    assert_eq!(found.extra, ["column Task.note", "table extra", "index by_hand"]);
}

/// SQLite cannot change a column's type in place; the drift is reported, not ignored.
#[tokio::test]
async fn another_type_on_sqlite_is_named() {
    let database = SqliteDatabase::new().unwrap();
    deploy(&database.url()).await;
    let mut sql = Sql::connect(&database.url()).await;
    sql.run("PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = replace(sql, 'title TEXT NOT NULL', 'title BLOB') WHERE name = 'Task'; PRAGMA writable_schema = off").await;

    let found = drift(&database.url()).await;

    assert_eq!((objects(&found), found.differences[0].found.as_str()), (vec!["column Task.title"], "title BLOB"));
    assert!(found.differences[0].note.is_some());
}
