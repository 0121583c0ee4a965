//! The logins that work on the schema are no logins of the service.

use rylie_db::maintenance::Verdict;
use rylie_migration::AdoptOptions;
use rylie_testkit::Cluster;

use super::{diagnose, status};
use crate::support::old_service::make_base;
use crate::support::raw::Raw;
use crate::support::sql::migrations;

const CHECK: &str = "isolation.service-logins";

/// The usual set-up of a managed server: a group owns the tables, and a member of it deploys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_the_owner_that_deploys_is_no_finding() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();
    let (name, mut raw) = (database.managed_owner_name(), Raw::connect(&database.url()).await);
    raw.run(&format!("CREATE ROLE deployer LOGIN CREATEROLE; GRANT \"{name}\" TO deployer")).await;
    make_base(&owner).await;
    let deployer = database.url_as("deployer");
    migrations(&deployer).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();

    assert_eq!(status(&diagnose(&deployer, &[CHECK]).await, CHECK), Verdict::Ok);

    // A provisioned login inherits nothing, and must not reach the tables' owner.
    raw.run(&format!("CREATE ROLE served LOGIN NOINHERIT; GRANT rylie_doors, \"{name}\" TO served")).await;
    let report = diagnose(&deployer, &[CHECK]).await;
    assert_eq!(status(&report, CHECK), Verdict::Critical);
    let evidence = &report.check(CHECK).unwrap().evidence;
    assert!(evidence.iter().all(|found| found.object == "login served"), "{evidence:?}");
}

/// The audit log's trigger refuses each change until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_of_the_old_service_on_the_audit_log_are_no_finding_until_the_adoption_is_finished() {
    const RIGHTS: &str = "isolation.audit-rights";
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    make_base(&database.url()).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("CREATE ROLE old LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO old").await;
    let mut owner = migrations(&database.url()).await;
    owner.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();

    assert_eq!(status(&diagnose(&database.url(), &[RIGHTS]).await, RIGHTS), Verdict::Ok);

    assert!(owner.finish_adoption(&mut |_| ()).await.unwrap());
    assert_eq!(status(&diagnose(&database.url(), &[RIGHTS]).await, RIGHTS), Verdict::Critical);
}
