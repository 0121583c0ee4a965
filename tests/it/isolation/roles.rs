//! Creation of the database roles: concurrently by several databases of a server, and by logins that may not.

use rylie_db::prelude::*;
use rylie_migration::{Catalog, DeployProgress, MIGRATIONS, MigrationState, Migrations};
use rylie_testkit::Cluster;

use crate::support::logins::give_away;
use crate::support::old_service::make_base;
use crate::support::raw::Raw;
use crate::support::sql::{deploy, from, migrations};

const ROLES: &str = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'rylie%' ORDER BY 1";

/// Eight databases of a new server deploy concurrently, three times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_that_migrate_at_the_same_time_share_the_roles() {
    let cluster = Cluster::private().await.unwrap();
    for _ in 0..3 {
        let mut databases = Vec::new();
        for _ in 0..8 {
            databases.push(cluster.empty_database().await.unwrap());
        }
        // The earlier migrations take different times, so they are applied first.
        for database in &databases {
            deploy(&database.url()).await;
            let mut migrations = migrations(&database.url()).await;
            migrations.down(from("create_door_roles"), &mut |_| ()).await.unwrap();
        }
        let mut raw = Raw::connect(&databases[0].url()).await;
        raw.run("DROP ROLE IF EXISTS rylie_doors, rylie_tenant, rylie_identity, rylie_platform").await;
        let deploys = databases.iter().map(|database| {
            let url = database.url();
            tokio::spawn(async move { deploy(&url).await })
        });
        for applied in futures_util::future::join_all(deploys).await {
            assert_eq!(applied.unwrap().len(), from("create_door_roles"));
        }
        for database in &databases {
            assert_eq!(migrations(&database.url()).await.missing_row_security().await.unwrap(), None);
        }
        assert_eq!(
            raw.rows(ROLES).await.unwrap(),
            ["rylie_auditor", "rylie_doors", "rylie_identity", "rylie_platform", "rylie_sealer", "rylie_tenant"]
        );
        drop(raw);
        for database in databases {
            database.remove().await.unwrap();
        }
    }
}

/// A plain owner applies everything except the roles, which is reported; the service works with the tenant filter
/// alone. When a login that may create roles deploys later, row-level security is complete, and the owner's logins can
/// use it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_make_roles_deploys_and_somebody_else_finishes() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let mut raw = Raw::connect(&database.url()).await;
    let owner = give_away(&database, &mut raw).await;

    let mut reported = Vec::new();
    let mut by_owner = migrations(&owner).await;
    let mut listen = |progress: DeployProgress<'_>| {
        if let DeployProgress::WithoutRowSecurity { reason } = progress {
            reported.push(reason.to_owned());
        }
    };
    assert_eq!(by_owner.deploy(&mut listen).await.unwrap().len(), MIGRATIONS.len());
    assert_eq!(by_owner.deploy(&mut listen).await.unwrap(), Vec::<String>::new());
    assert_eq!(reported, ["role rylie_doors does not exist"; 2]);
    assert!(by_owner.status().await.unwrap().iter().all(|migration| migration.state == MigrationState::Applied));
    let service = Database::connect(Config::new(&owner).unwrap()).await.unwrap();
    let health = service.health().await.unwrap();
    assert!(health.is_ready() && !health.row_level_security);
    let unit = service.store().platform(Grant::job("test", "to test").unwrap()).await.unwrap();
    let new = rylie_db::repositories::NewAgency::new("Agency");
    unit.agency_administration().add(new).await.unwrap();
    unit.commit().await.unwrap();

    assert_eq!(deploy(&database.url()).await, Vec::<String>::new());

    assert_eq!(by_owner.missing_row_security().await.unwrap(), None);
    let catalog = by_owner.catalog().await.unwrap();
    assert!(catalog == Catalog::current(), "not the same as a superuser makes at once");
    assert_eq!(service.migrate().await.unwrap(), Vec::<String>::new());
    assert!(service.health().await.unwrap().row_level_security);
    let unit = service.store().platform(Grant::job("test", "to test").unwrap()).await.unwrap();
    assert_eq!(unit.agencies().list(PageRequest::default()).await.unwrap().total, 1);
}

/// An owner that may create roles needs no superuser.
#[tokio::test]
async fn an_owner_who_may_make_roles_builds_row_security_alone() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let mut raw = Raw::connect(&database.url()).await;
    let owner = give_away(&database, &mut raw).await;
    raw.run(&format!("ALTER ROLE \"{}_owner\" CREATEROLE", database.name())).await;

    deploy(&owner).await;

    assert_eq!(migrations(&owner).await.missing_row_security().await.unwrap(), None);
    Raw::connect(&owner).await.run("SET ROLE rylie_sealer").await;
}

/// A dump restored on another server contains the record and no roles: the next deploy creates them.
#[tokio::test]
async fn what_is_lost_is_made_again_by_the_next_deploy() {
    let (database, mut raw) = super::protected().await;
    for (lost, reason) in [
        ("DROP POLICY rylie_tenant ON \"Task\"", "table Task has no policy in force for rylie_tenant"),
        ("ALTER TABLE \"User\" DISABLE ROW LEVEL SECURITY", "table User has no policy in force for rylie_platform"),
        ("ALTER TABLE \"AuditLog\" NO FORCE ROW LEVEL SECURITY", "the policies of table AuditLog are not forced"),
        ("REVOKE INSERT ON \"Request\" FROM rylie_platform", "table Request is not granted to rylie_platform"),
    ] {
        raw.run(lost).await;
        let mut migrations = Migrations::connect(&database.url()).await.unwrap();
        assert_eq!(migrations.missing_row_security().await.unwrap().as_deref(), Some(reason));

        migrations.deploy(&mut |_| ()).await.unwrap();

        assert_eq!(migrations.missing_row_security().await.unwrap(), None);
    }
}

/// A service in a database whose roles exist by another database's migration, but not yet by its own.
#[tokio::test]
async fn roles_of_another_database_are_not_taken_for_ones_own() {
    drop(super::protected().await);
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    make_base(&database.url()).await;

    let service = Database::connect(Config::new(&database.url()).unwrap()).await.unwrap();

    assert!(!service.health().await.unwrap().row_level_security);
}
