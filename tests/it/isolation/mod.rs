//! Row-level security: the database roles of the units, their rights, and the policies. PostgreSQL only.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests; clippy knows only functions marked as such")]

mod attacks_on_extensions;
mod attacks_without_policies;
mod catalog;
mod functions;
mod functions_that_save;
mod functions_that_set_status;
mod managed;
mod owner;
mod plans;
mod references;
mod roles;
mod split;
mod statement_forms;
mod strangers;
mod tenant_role;
mod units;
mod walk_plans;

use rylie_db::entities::TENANT_TABLES;
use rylie_testkit::{Cluster, PostgresDatabase, World};

use crate::support::old_service::{fill, fill_ours};
use crate::support::raw::Raw;
use crate::support::sql::{Sql, deploy};

/// Every table with a tenant key.
pub(crate) const TABLES: [&str; TENANT_TABLES.len()] = {
    let mut names = [""; TENANT_TABLES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = TENANT_TABLES[at].name;
        at += 1;
    }
    names
};

/// Creates a migrated database with the rows of two agencies (`a1`: Ann, `a2`: Bob) and of Solo, and a superuser's
/// connection.
async fn protected() -> (PostgresDatabase, Raw) {
    let cluster = Cluster::shared().await.unwrap();
    let template = cluster.template("walled", |url| async move { fill_new(&url).await }).await.unwrap();
    let database = cluster.clone_of(&template).await.unwrap();
    let raw = Raw::connect(&database.url()).await;
    (database, raw)
}

async fn fill_new(url: &str) -> Result<(), sqlx::Error> {
    deploy(url).await;
    let mut sql = Sql::connect(url).await;
    fill(&mut sql).await;
    fill_ours(&mut sql).await;
    Ok(())
}

/// Creates a world with the tenant filter alone: no policy applies.
pub(crate) async fn world_without_policies() -> rylie_testkit::Result<World> {
    let world = World::postgres().await?;
    let mut raw = Raw::connect(world.url()).await;
    for table in TABLES {
        raw.run(&format!("ALTER TABLE \"{table}\" NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")).await;
    }
    raw.run("INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('witness', 'n', now())").await;
    let seen = raw.as_tenant("nobody", "SELECT id FROM \"Agency\"").await.unwrap();
    assert_eq!(seen, ["witness"], "row-level security still holds");
    raw.run("DELETE FROM \"Agency\"").await;
    Ok(world)
}

#[tokio::test]
async fn the_worlds_of_the_tests_run_with_row_level_security() {
    let world = World::postgres().await.unwrap();

    assert!(world.database().health().await.unwrap().row_level_security);
    assert_eq!(world.database().migrations().await.unwrap().missing_row_security().await.unwrap(), None);
}
