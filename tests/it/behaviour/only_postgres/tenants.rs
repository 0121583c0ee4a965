//! An erasure with a concurrent writer. PostgreSQL only: SQLite has one writer at a time.

use rylie_db::maintenance::Error;
use rylie_db::migration::Environment;
use rylie_db::repositories::Error as Refused;

use super::world;
use crate::support::sql::{Sql, migrations};
use crate::support::tenant_rows::{everything, full_agency};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_that_is_set_while_rows_are_being_erased_stops_it_as_well() {
    let world = world().await;
    let ours = full_agency(&world).await;
    let tenant = ours.agency.tenant_id.clone();
    let before = everything(&world, &tenant).await;
    // The agency is deleted last, and waits for this lock.
    let mut other = Sql::connect(world.url()).await;
    other.run(&format!(r#"BEGIN; SELECT 1 FROM "Agency" WHERE id = '{}' FOR UPDATE"#, ours.agency.id)).await;
    let (database, of) = (world.connect_again(2).await.unwrap(), tenant.clone());
    let erasing = tokio::spawn(async move { database.erase_tenant(&of).await });
    let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM \"Agency\"%'";
    // A separate connection, because a transaction sees one snapshot of the activity.
    let mut looking = Sql::connect(world.url()).await;
    while looking.one(waiting).await != "1" {
        assert!(!erasing.is_finished(), "it did not wait");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    migrations(world.url()).await.mark_environment(Environment::Production, None).await.unwrap();
    other.run("COMMIT").await;

    let refused = erasing.await.unwrap().unwrap_err();

    assert!(
        refused.is_refusal()
            && matches!(refused, rylie_db::Error::Maintenance(Error::Data { source: Refused::Protected, .. }))
    );
    assert_eq!(everything(&world, &tenant).await, before);
}
