//! Logins of the old service that may add rows and read none. PostgreSQL.

use rylie_migration::{AdoptOptions, DeployProgress};
use rylie_testkit::Cluster;

use crate::support::interrupted::{adopt_until, begins, undo_until};
use crate::support::old_service::{fill, make_base};
use crate::support::raw::Raw;
use crate::support::sql::{Sql, migrations};

const ADDED: &str = "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('$id', 'ann', 'r-ann', 't', 'BLOG', now()); \
     INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('$id', 'ann', 'x', 'y')";

/// From the first trigger on until the end of the coexistence.
#[tokio::test]
async fn they_go_on_during_the_adoption_and_on_the_way_back() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    make_base(&database.url()).await;
    fill(&mut Sql::connect(&database.url()).await).await;
    let mut raw = Raw::connect(&database.url()).await;
    let login = format!("{}_adds", database.name());
    raw.run(&format!("CREATE ROLE \"{login}\" LOGIN; GRANT INSERT ON \"Task\", \"AuditLog\" TO \"{login}\"")).await;
    let mut adds = Sql::connect(&database.url_as(&login)).await;
    for stop in ["Task_requestId_tenantId_fkey", "AuditLog_tenantId_not_null"] {
        adopt_until(&database.url(), |progress| {
            matches!(progress, DeployProgress::Step { statement, .. } if statement.contains("VALIDATE") && statement.contains(stop))
        })
        .await;
        adds.run(&ADDED.replace("$id", stop)).await;
    }

    migrations(&database.url()).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();

    adds.run(&ADDED.replace("$id", "after")).await;
    let tenants = "SELECT DISTINCT \"tenantId\" FROM \"Task\" WHERE \"userId\" = 'ann' UNION ALL \
                   SELECT DISTINCT \"tenantId\" FROM \"AuditLog\" WHERE \"userId\" = 'ann'";
    assert_eq!(raw.rows(tenants).await.unwrap(), ["a1", "a1"]);
    // The way back, before it drops the triggers.
    undo_until(&database.url(), begins("m20261123_000003_add_tenant_key")).await;
    adds.run(&ADDED.replace("$id", "undoing")).await;

    migrations(&database.url()).await.undo_adoption(&mut |_| ()).await.unwrap();
    adds.run(&ADDED.replace("$id", "undone")).await;
}
