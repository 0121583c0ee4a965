//! Obstacles to an adoption, and its reversal. PostgreSQL only.

use rylie_migration::{AdoptOptions, Environment, Error, Migrations, Refusal};

use crate::support::old_service::{fill, make_base};
use crate::support::sql::{Sql, migrations, schema};

const REAL: AdoptOptions = AdoptOptions { dry_run: false };
const DRY: AdoptOptions = AdoptOptions { dry_run: true };

/// Reverts step by step to Prisma's state: its tables and rows stay, and so does the reason for leaving production.
pub(crate) async fn an_adoption_is_taken_back_to_what_prisma_left(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    let before = (schema(url).await, sql.all("SELECT u::text FROM \"User\" u ORDER BY id").await);
    let mut migrations = migrations(url).await;
    assert_eq!(migrations.adopt(DRY, &mut |_| ()).await.unwrap().missing_row_security, None);
    migrations.adopt(REAL, &mut |_| ()).await.unwrap();

    assert!(matches!(migrations.down(1, &mut |_| ()).await, Err(Error::Refused(Refusal::Production))));
    migrations.mark_environment(Environment::Staging, Some("the old service alone again")).await.unwrap();
    while !migrations.down(1, &mut |_| ()).await.unwrap().is_empty() {}

    assert_eq!((schema(url).await, sql.all("SELECT u::text FROM \"User\" u ORDER BY id").await), before);
    assert!(migrations.needs_adoption().await.unwrap());
    // Then adopts again: the event returns with a log that can hold it.
    sql.run("DELETE FROM \"AuditLog\" WHERE false").await;
    Migrations::connect(url).await.unwrap().adopt(REAL, &mut |_| ()).await.unwrap();
    let event = sql.one("SELECT details->>'reason' FROM \"AuditLog\" WHERE action = 'ENVIRONMENT_MARKED'").await;
    assert_eq!(event, "the old service alone again");
}

async fn refused(url: &str, object: &str) {
    for options in [DRY, REAL] {
        match migrations(url).await.adopt(options, &mut |_| ()).await {
            Err(Error::NotTheBase { differences }) => {
                assert!(differences.iter().any(|found| found.object == object && found.blocking), "{differences:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A migration would treat the object as its own.
pub(crate) async fn a_wanted_name_that_is_taken_is_in_the_way(url: &str) {
    make_base(url).await;
    let mut sql = Sql::connect(url).await;
    for (taken, object, freed) in [
        (
            "CREATE INDEX \"Session_expires_idx\" ON \"Session\" (\"userId\", expires)",
            "index Session.Session_expires_idx",
            "DROP INDEX \"Session_expires_idx\"",
        ),
        (
            "CREATE INDEX \"Session_expires_idx\" ON \"Task\" (title)",
            "index Session.Session_expires_idx",
            "DROP INDEX \"Session_expires_idx\"",
        ),
        ("CREATE TABLE rylie_logins (id int)", "table rylie_logins", "DROP TABLE rylie_logins"),
        (
            "ALTER TABLE \"User\" ADD CONSTRAINT \"User_tenantId_check\" CHECK (true)",
            "constraint User.User_tenantId_check",
            "ALTER TABLE \"User\" DROP CONSTRAINT \"User_tenantId_check\"",
        ),
    ] {
        sql.run(taken).await;
        refused(url, object).await;
        sql.run(freed).await;
    }
    migrations(url).await.adopt(REAL, &mut |_| ()).await.unwrap();
}

/// Two equal indexes, one of which is redundant: harmless, but reported.
pub(crate) async fn an_index_that_is_there_under_another_name_is_named(url: &str) {
    make_base(url).await;
    Sql::connect(url).await.run("CREATE INDEX by_expiry ON \"Session\" (expires)").await;

    let adoption = migrations(url).await.adopt(REAL, &mut |_| ()).await.unwrap();

    let found = adoption.differences.iter().find(|found| found.object == "index Session.Session_expires_idx").unwrap();
    assert!(found.found.contains("by_expiry") && !found.blocking);
    assert!(adoption.extra.contains(&"index Session.by_expiry".to_owned()));
}
