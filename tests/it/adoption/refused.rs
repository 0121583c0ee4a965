//! What prevents an adoption, because it would change rights or lose data of the old service. PostgreSQL only.

use rylie_migration::{AdoptOptions, Error, Login, Provision, Refusal};
use rylie_testkit::Cluster;

use super::guide::of_the_guide;
use crate::support::interrupted::{begins, undo_until};
use crate::support::raw::Raw;
use crate::support::sql::migrations;

const COUNT: &str = "SELECT count(*)::text FROM pg_class WHERE relname ~ '^(rylie|seaql)_'";

/// Returns the objects that prevent the adoption of a database with this change.
async fn in_the_way(change: &str) -> Vec<String> {
    // A private server, so that no other test sees the roles.
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    let mut raw = Raw::connect(&place.database.url()).await;
    raw.run("CREATE ROLE rylie_doors NOINHERIT; CREATE ROLE stage LOGIN NOINHERIT").await;
    raw.run(change).await;
    let mut found = Vec::new();
    for dry_run in [true, false] {
        match migrations(&place.owner).await.adopt(AdoptOptions { dry_run }, &mut |_| ()).await {
            Err(Error::NotTheBase { differences }) => {
                found = differences.into_iter().filter(|found| found.blocking).map(|found| found.object).collect();
            }
            other => panic!("{change}: {other:?}"),
        }
    }
    assert_eq!(raw.rows(COUNT).await.unwrap(), ["0"], "nothing was written");
    found
}

#[tokio::test]
async fn columns_of_the_old_service_under_our_names_prevent_an_adoption() {
    let change = "ALTER TABLE \"Request\" ADD COLUMN deleted boolean NOT NULL DEFAULT false, ADD COLUMN \"deletedAt\" timestamp(3); \
         ALTER TABLE \"User\" ADD COLUMN \"tenantId\" text";
    assert_eq!(
        in_the_way(change).await,
        ["column Request.deleted", "column Request.deletedAt", "column User.tenantId"]
    );
}

#[tokio::test]
async fn tables_that_row_level_security_closes_prevent_an_adoption() {
    let change = "ALTER TABLE \"Request\" ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON \"Task\" USING (true)";
    assert_eq!(in_the_way(change).await, ["row security of table Request", "row security of table Task"]);
}

/// An interrupted way back of an earlier version left it.
#[tokio::test]
async fn the_policy_of_an_earlier_coexistence_does_not_prevent_an_adoption() {
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    let mut raw = Raw::connect(&place.database.url()).await;
    raw.run("CREATE POLICY rylie_coexistence ON \"Request\" USING (true)").await;

    place.adopt().await;

    let left = "SELECT polname FROM pg_policy WHERE polrelid = '\"Request\"'::regclass AND pg_get_expr(polqual, polrelid) = 'true' AND polname = 'rylie_coexistence'";
    assert_eq!(raw.rows(left).await.unwrap(), Vec::<String>::new());
}

/// The second call has nothing more to revert but the base.
#[tokio::test]
async fn a_way_back_that_is_interrupted_late_leaves_no_policy_of_the_coexistence() {
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    place.adopt().await;
    undo_until(&place.owner, begins("end of the coexistence with the old service")).await;
    let mut raw = Raw::connect(&place.database.url()).await;
    let left = "SELECT count(*)::text FROM pg_policies WHERE policyname = 'rylie_coexistence'";
    assert_ne!(raw.rows(left).await.unwrap(), ["0"]);

    migrations(&place.owner).await.undo_adoption(&mut |_| ()).await.unwrap();

    assert_eq!(raw.rows(left).await.unwrap(), ["0"]);
}

/// The policies of the units bind it already, so it would see no row.
#[tokio::test]
async fn a_login_that_inherits_from_a_role_of_the_units_prevents_an_adoption() {
    for right in ["SELECT", "SELECT (id)"] {
        let change = format!(
            "CREATE ROLE rylie_tenant; CREATE ROLE grp; CREATE ROLE other LOGIN; CREATE ROLE heir LOGIN; GRANT rylie_tenant TO stage, other, heir; \
             GRANT {right} ON \"Request\" TO stage, grp; GRANT grp TO heir; GRANT SELECT ON \"Task\" TO PUBLIC"
        );
        assert_eq!(in_the_way(&change).await, ["login heir"]);
    }
}

/// From 16 on, who creates a role becomes a member of it.
#[tokio::test]
async fn a_login_without_inherit_does_not_shut_itself_out() {
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    let mut raw = Raw::connect(&place.database.url()).await;
    let owner = raw.rows("SELECT tableowner::text FROM pg_tables WHERE tablename = 'User'").await.unwrap();
    let sql = format!(
        "CREATE ROLE old_deploy LOGIN NOINHERIT CREATEROLE IN ROLE \"{}\"; GRANT SELECT ON \"Agency\" TO old_deploy",
        owner[0]
    );
    raw.run(&sql).await;
    let old = place.database.url_as("old_deploy");
    migrations(&old).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    assert_eq!(Raw::connect(&old).await.rows("SELECT count(*)::text FROM \"Agency\"").await.unwrap(), ["2"]);
}

#[tokio::test]
async fn a_login_of_another_databases_old_service_is_not_provisioned() {
    let cluster = Cluster::private().await.unwrap();
    let production = of_the_guide(&cluster).await;
    production.adopt().await;
    let login = production.login("both", "GRANT SELECT ON \"Request\" TO \"$\"").await;
    let name = format!("{}_both", production.database.name());
    let before = Raw::connect(&login).await.rows("SELECT id FROM \"Request\" ORDER BY id").await.unwrap();
    assert!(!before.is_empty());

    let staging = of_the_guide(&cluster).await;
    staging.adopt().await;
    assert!(migrations(&staging.owner).await.finish_adoption(&mut |_| ()).await.unwrap());
    let app = Some(Login { name, password: None });
    let wanted = Provision { app, ..Provision::default() };
    let refused = migrations(&staging.database.url()).await.provision(&wanted).await;

    assert!(matches!(refused, Err(Error::Refused(Refusal::UnsafeRole { .. }))), "{refused:?}");
    assert_eq!(Raw::connect(&login).await.rows("SELECT id FROM \"Request\" ORDER BY id").await.unwrap(), before);
}
