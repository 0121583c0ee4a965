//! Moves a tenant from one engine to the other, with helpers that compare rows on each engine.

use rylie_db::prelude::*;
use rylie_testkit::World;

use crate::support::sql::Sql;
use crate::support::tenant_rows::dump;

#[tokio::test]
async fn a_tenant_moves_from_sqlite_to_postgresql_and_back() {
    let (sqlite, postgres) = (World::sqlite().await.unwrap(), World::postgres().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let agency = sqlite.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.tasks().add(&request.id, NewTask::new("a task", TaskType::GbpPost)).await.unwrap();
    unit.commit().await.unwrap();
    let tenant = &agency.agency.tenant_id;
    let mut sql = Sql::connect(sqlite.url()).await;
    let mut rows = Vec::new();
    for table in ["Agency", "User", "Request", "Task"] {
        rows.extend(dump(&mut sql, sqlite.url(), table, "true").await);
    }
    let path = |name: &str| folder.path().join(name);
    let none = Progress::none();

    let out = sqlite.database().export_tenant(tenant, &path("there"), None, &none).await.unwrap();
    let there = postgres.database().import_tenant(&path("there"), &none).await.unwrap();
    sqlite.database().erase_tenant(tenant).await.unwrap();
    postgres.database().export_tenant(tenant, &path("back"), None, &none).await.unwrap();
    sqlite.database().import_tenant(&path("back"), &none).await.unwrap();

    // The other database has another keyring, so the file's seal is not valid there: sessions are left out.
    let left_out = |table: &str| there.left_out.get(table).copied().unwrap_or_default();
    assert!(there.rows.iter().all(|(table, rows)| out[table] == rows + left_out(table)), "{there:?}");
    assert_eq!((there.left_out.len(), left_out("Session")), (1, 1), "{there:?}");
    let mut again = Vec::new();
    for table in ["Agency", "User", "Request", "Task"] {
        again.extend(dump(&mut sql, sqlite.url(), table, "true").await);
    }
    // PostgreSQL formats JSON differently; nothing else differs.
    assert_eq!(again, rows);
}

/// An adopted database may have columns unknown to us: they belong to the tenant too.
#[tokio::test]
async fn columns_that_only_an_adopted_database_has_come_along() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    sql.run("ALTER TABLE \"Agency\" ADD COLUMN metadata jsonb, ADD COLUMN \"odd \"\"name\" numeric(9,2)[], ADD COLUMN since date").await;
    sql.run("UPDATE \"Agency\" SET metadata = '{\"big\": 12345678901234567890.5}', \"odd \"\"name\" = '{1.50,NULL}', since = '2020-02-29'").await;
    let before = dump(&mut sql, world.url(), "Agency", "true").await;
    let folder = tempfile::tempdir().unwrap();
    let (tenant, file, none) = (&agency.agency.tenant_id, folder.path().join("file"), Progress::none());

    world.database().export_tenant(tenant, &file, None, &none).await.unwrap();
    world.database().erase_tenant(tenant).await.unwrap();
    world.database().import_tenant(&file, &none).await.unwrap();

    assert_eq!(dump(&mut sql, world.url(), "Agency", "true").await, before);
}
