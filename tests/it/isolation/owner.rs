//! The table owner: forced policies apply, and every cascade still works.

use rylie_db::audit::SigningKey;
use rylie_db::maintenance::seal_audit;
use rylie_db::prelude::*;
use rylie_testkit::PostgresDatabase;

use super::{TABLES, protected};
use crate::support::logins::give_away;
use crate::support::raw::{DENIED, Raw};
use crate::support::sql::{deploy, migrations};

/// Creates the same as [`protected`], owned by a role without further rights. Also returns the URL of that role.
pub(super) async fn owned_by_plain_role() -> (PostgresDatabase, Raw, String) {
    let (database, mut raw) = protected().await;
    let owner = give_away(&database, &mut raw).await;
    deploy(&database.url()).await;
    (database, raw, owner)
}

/// Changes of users and agencies in the platform role cascade to their rows, for any table owner.
async fn cascades_work(raw: &mut Raw) {
    let mut at_door = async |sql: &str| raw.as_role("rylie_platform", "SELECT 1", sql).await.unwrap();
    let tenants = "SELECT \"tenantId\" FROM \"Task\" WHERE id = 't-ann' UNION SELECT \"tenantId\" FROM \"Session\" WHERE id = 'c-ann'";

    let agency_ends = format!("DELETE FROM \"Agency\" WHERE id = 'a1'; {tenants}");
    assert_eq!(at_door(&agency_ends).await, ["user:ann"]);
    let moves = format!(
        "UPDATE \"User\" SET \"agencyId\" = 'a2' WHERE id = 'ann'; UPDATE \"Request\" SET \"agencyId\" = 'a2' WHERE id = 'r-ann'; {tenants}"
    );
    assert_eq!(at_door(&moves).await, ["a2"]);
    let renamed = "UPDATE \"User\" SET id = 'sola' WHERE id = 'solo'; SELECT \"tenantId\" FROM \"Task\" WHERE id = 't-solo' \
         UNION SELECT \"tenantId\" FROM \"Account\" WHERE id = 'c-solo'";
    assert_eq!(at_door(renamed).await, ["user:sola"]);
    let gone = "DELETE FROM \"Request\" WHERE id = 'r-ann'; DELETE FROM \"User\" WHERE id = 'ann'; \
         SELECT id FROM \"Task\" WHERE id = 't-ann' UNION SELECT id FROM \"Session\" WHERE id = 'c-ann' \
         UNION SELECT id FROM \"SEOWorksTaskMapping\" WHERE id = 'm-ann' UNION SELECT id FROM \"MonthlyUsage\" WHERE id = 'c-ann'";
    assert_eq!(at_door(gone).await, Vec::<String>::new());
    // In the tenant role too.
    let own = "DELETE FROM \"Request\"; SELECT id FROM \"Task\"";
    assert_eq!(raw.as_tenant("a1", own).await.unwrap(), Vec::<String>::new());
    let own = "DELETE FROM \"Request\"; DELETE FROM \"User\"; SELECT id FROM \"GA4Connection\"";
    assert_eq!(raw.as_tenant("a1", own).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn rows_go_along_where_a_superuser_owns_the_tables() {
    let (_database, mut raw) = protected().await;
    cascades_work(&mut raw).await;
}

#[tokio::test]
async fn rows_go_along_where_a_plain_role_owns_the_tables() {
    let (_database, mut raw, owner) = owned_by_plain_role().await;
    cascades_work(&mut raw).await;
    cascades_work(&mut Raw::connect(&owner).await).await;
}

#[tokio::test]
async fn the_owner_sees_nothing_without_a_unit_role() {
    let (_database, _raw, owner) = owned_by_plain_role().await;
    let mut owner = Raw::connect(&owner).await;

    for table in TABLES {
        let all = format!("SELECT \"tenantId\" FROM \"{table}\"");
        assert_eq!(owner.rows(&all).await, Ok(vec![]), "{table}");
    }
    let insert = "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('x', 'n', now())";
    assert_eq!(owner.rows(insert).await, Err(DENIED.to_owned()));
    assert_eq!(owner.as_tenant("a1", "SELECT id FROM \"Request\"").await.unwrap(), ["r-ann"]);
}

#[tokio::test]
async fn a_plain_owner_takes_everything_back_and_applies_it_again() {
    let (database, mut raw, owner) = owned_by_plain_role().await;
    // An actor who is not a user prevents the log's old foreign key.
    raw.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('j', 'job:x', 'x', 'y')").await;
    let mut migrations = migrations(&owner).await;

    migrations.reset(&mut |_| ()).await.unwrap();

    assert_eq!(migrations.missing_row_security().await.unwrap(), None);
    assert_eq!(migrations.catalog().await.unwrap().tables["Task"].row_security.as_deref(), Some("forced"));
    drop(database);
}

/// The owner may seal, and sees no more rows by it.
#[tokio::test]
async fn the_owner_seals_by_the_sealers_role() {
    let (_database, _raw, owner) = owned_by_plain_role().await;
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::create(&folder.path().join("key")).unwrap();
    let database = Database::connect(Config::new(&owner).unwrap()).await.unwrap();
    assert!(database.health().await.unwrap().row_level_security);

    assert!(seal_audit(&*database.store(), &key, &[]).await.unwrap().records > 0);

    let mut owner = Raw::connect(&owner).await;
    assert_eq!(owner.rows("SELECT id FROM \"AuditLog\"").await, Ok(vec![]));
    assert_eq!(owner.as_role("rylie_sealer", "SELECT 1", "SELECT id FROM \"AuditLog\"").await, Err(DENIED.to_owned()));
}
