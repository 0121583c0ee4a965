//! An owner as on managed services: it may create roles and owns database and tables, but is no superuser.
//!
//! From PostgreSQL 16 on, the creator of a role may grant it, but not assume it.

use rylie_db::prelude::*;
use rylie_migration::{AdoptOptions, CheckStatus, DeployProgress, Error, MIGRATIONS, Refusal, State};
use rylie_testkit::Cluster;

use crate::support::logins::in_order;
use crate::support::old_service::{fill, make_base};
use crate::support::raw::Raw;
use crate::support::sql::{Sql, deploy, from, migrations};

const ROWS: &str = "SELECT id FROM \"Request\" ORDER BY id";

/// Each kind of unit opens with its database role.
async fn doors_open(url: &str) {
    let service = Database::connect(Config::new(url).unwrap()).await.unwrap();
    assert!(service.health().await.unwrap().row_level_security);
    let unit = service.store().platform(Grant::job("test", "to test").unwrap()).await.unwrap();
    unit.agency_administration().add(NewAgency::new("North")).await.unwrap();
    unit.commit().await.unwrap();
    drop(service.store().identity().await.unwrap());
    drop(service.store().operations().await.unwrap());
    service.audit_reader().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn she_deploys_on_an_empty_database_and_takes_everything_back() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();

    assert_eq!(deploy(&owner).await.len(), MIGRATIONS.len());

    let mut by_owner = migrations(&owner).await;
    assert_eq!(by_owner.missing_row_security().await.unwrap(), None);
    assert_eq!(by_owner.drift().await.unwrap().differences, []);
    let checks = by_owner.check_roles().await.unwrap();
    assert!(
        checks.iter().all(|check| ["roles.service", "roles.sealer"].contains(&check.id) || in_order(check)),
        "{checks:?}"
    );
    doors_open(&owner).await;
    // The policies apply to the owner nevertheless: it assumes the roles, and inherits nothing.
    assert_eq!(Raw::connect(&owner).await.rows("SELECT id FROM \"Agency\"").await, Ok(vec![]));

    by_owner.reset(&mut |_| ()).await.unwrap();
    assert_eq!(by_owner.missing_row_security().await.unwrap(), None);
    doors_open(&owner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn she_adopts_and_finishes_and_the_old_service_works_until_then() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();
    make_base(&owner).await;
    fill(&mut Sql::connect(&owner).await).await;

    let mut by_owner = migrations(&owner).await;
    let adoption = by_owner.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();

    assert_eq!((adoption.tables["Request"], adoption.missing_row_security), (3, None));
    let mut old_service = Raw::connect(&owner).await;
    assert_eq!(old_service.rows(ROWS).await.unwrap().len(), 3);
    old_service.run("UPDATE \"Request\" SET title = 'old' WHERE id = 'r-bob'").await;
    doors_open(&owner).await;

    assert!(by_owner.finish_adoption(&mut |_| ()).await.unwrap());
    assert_eq!(by_owner.mark().await.unwrap().unwrap().state, State::Fresh);
    assert_eq!(old_service.rows(ROWS).await, Ok(vec![]));
    doors_open(&owner).await;
}

/// The state that an earlier version left: all migrations are recorded, and no login can assume a role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_left_without_the_right_to_take_the_roles_is_fixed_by_the_next_deploy() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();
    deploy(&owner).await;
    let mut raw = Raw::connect(&database.url()).await;
    let role = database.managed_owner_name();
    let (take_away, missing) = if version(&mut raw).await >= 160_000 {
        (format!("REVOKE rylie_doors FROM \"{role}\" GRANTED BY \"{role}\""), "WITH INHERIT FALSE, SET TRUE`")
    } else {
        (format!("REVOKE rylie_doors FROM \"{role}\""), &*format!("TO {role}`"))
    };
    raw.run(&take_away).await;

    let mut by_owner = migrations(&owner).await;
    let reason = by_owner.missing_row_security().await.unwrap().unwrap();
    assert!(reason.starts_with(&format!("role {role} may not take rylie_")) && reason.contains(missing), "{reason}");
    let checks = by_owner.check_roles().await.unwrap();
    let check = checks.iter().find(|check| check.id == "roles.units").unwrap();
    assert!(check.status != CheckStatus::Ok && check.fix.contains("GRANT rylie_doors"), "{check:?}");
    let service = Database::connect(Config::new(&owner).unwrap()).await.unwrap();
    assert!(!service.health().await.unwrap().row_level_security);

    assert_eq!(deploy(&owner).await, Vec::<String>::new());

    assert_eq!(by_owner.missing_row_security().await.unwrap(), None);
    doors_open(&owner).await;
}

/// The deploying login is a member of the owner and creates the roles; the owner may not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_the_owner_who_may_make_roles_deploys_for_her() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();
    let mut raw = Raw::connect(&database.url()).await;
    raw.run(&format!("CREATE ROLE deployer LOGIN CREATEROLE; GRANT \"{}\" TO deployer", database.managed_owner_name()))
        .await;
    raw.run(&format!("ALTER ROLE \"{}\" NOCREATEROLE", database.managed_owner_name())).await;
    make_base(&owner).await;

    let deployer = database.url_as("deployer");
    migrations(&deployer).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();

    for url in [&deployer, &owner] {
        assert_eq!(migrations(url).await.missing_row_security().await.unwrap(), None);
        doors_open(url).await;
    }
    let others = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relowner <> \
         (SELECT datdba FROM pg_database WHERE datname = current_database())";
    assert_eq!(raw.rows(others).await, Ok(vec![]));
    assert!(migrations(&deployer).await.finish_adoption(&mut |_| ()).await.unwrap());
    doors_open(&deployer).await;
}

/// A second database of the server, of another owner: the roles exist, and this owner may not grant them. It works with
/// one isolation layer and reports the statement to run. The next deploy after that completes the other layer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_that_another_owner_made_are_asked_for_by_the_statement_to_run() {
    let cluster = Cluster::private().await.unwrap();
    let first = cluster.empty_database().await.unwrap();
    deploy(&first.managed_owner().await.unwrap()).await;
    let second = cluster.empty_database().await.unwrap();
    let owner = second.managed_owner().await.unwrap();
    let mut raw = Raw::connect(&second.url()).await;
    let role = second.managed_owner_name();
    if version(&mut raw).await < 160_000 {
        raw.run(&format!("ALTER ROLE \"{role}\" NOCREATEROLE")).await;
    }

    let mut reported = Vec::new();
    let mut listen = |progress: DeployProgress<'_>| {
        if let DeployProgress::WithoutRowSecurity { reason } = progress {
            reported.push(reason.to_owned());
        }
    };
    let mut by_owner = migrations(&owner).await;
    assert_eq!(by_owner.deploy(&mut listen).await.unwrap().len(), MIGRATIONS.len());
    assert_eq!(by_owner.deploy(&mut listen).await.unwrap(), Vec::<String>::new());
    assert_eq!(reported.len(), 2);
    let statement = reported[0].split('`').nth(1).unwrap();
    assert!(statement.starts_with(&format!("GRANT rylie_doors TO {role}")), "{reported:?}");
    let service = Database::connect(Config::new(&owner).unwrap()).await.unwrap();
    let health = service.health().await.unwrap();
    assert!(health.is_ready() && !health.row_level_security);
    drop(service.store().platform(Grant::job("test", "to test").unwrap()).await.unwrap());

    raw.run(statement).await;
    assert_eq!(by_owner.deploy(&mut |_| ()).await.unwrap(), Vec::<String>::new());
    let sealer = by_owner.missing_row_security().await.unwrap().unwrap();
    let statement = sealer.split('`').nth(1).unwrap();
    assert!(statement.starts_with(&format!("GRANT rylie_sealer TO {role}")), "{sealer}");
    raw.run(statement).await;
    assert_eq!(by_owner.deploy(&mut |_| ()).await.unwrap(), Vec::<String>::new());

    assert_eq!(by_owner.missing_row_security().await.unwrap(), None);
    doors_open(&owner).await;
}

/// An administrator created the roles and granted only the right to grant them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_that_an_administrator_made_are_taken_by_who_may_give_them() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();
    let mut raw = Raw::connect(&database.url()).await;
    let role = database.managed_owner_name();
    let option =
        if version(&mut raw).await < 160_000 { "ADMIN OPTION" } else { "ADMIN TRUE, INHERIT FALSE, SET FALSE" };
    for door in ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors", "rylie_sealer"] {
        raw.run(&format!("CREATE ROLE {door} NOLOGIN NOINHERIT; GRANT {door} TO \"{role}\" WITH {option}")).await;
    }
    raw.run(&format!("ALTER ROLE \"{role}\" NOCREATEROLE")).await;

    deploy(&owner).await;

    assert_eq!(migrations(&owner).await.missing_row_security().await.unwrap(), None);
    doors_open(&owner).await;
}

/// A member that can neither assume nor grant a role would see no row behind forced policies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_may_not_take_a_role_is_refused_before_a_policy_binds_it() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let owner = database.managed_owner().await.unwrap();
    let mut raw = Raw::connect(&database.url()).await;
    if version(&mut raw).await < 160_000 {
        assert_eq!(deploy(&owner).await.len(), MIGRATIONS.len(), "before 16 every member may take a role");
        return;
    }
    let role = database.managed_owner_name();
    for door in ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors"] {
        raw.run(&format!("CREATE ROLE {door} NOLOGIN NOINHERIT")).await;
    }
    raw.run("GRANT rylie_tenant, rylie_identity, rylie_platform TO rylie_doors").await;
    raw.run(&format!("GRANT rylie_doors TO \"{role}\" WITH INHERIT FALSE, SET FALSE")).await;

    let refused = migrations(&owner).await.deploy(&mut |_| ()).await.unwrap_err();
    let Error::Refused(Refusal::DoorsClosed { reason }) = &refused else { panic!("{refused:?}") };
    raw.run(reason.split('`').nth(1).unwrap()).await;
    assert_eq!(deploy(&owner).await.len(), from("create_door_roles"));
    doors_open(&owner).await;
}

async fn version(raw: &mut Raw) -> u32 {
    raw.rows("SELECT current_setting('server_version_num')").await.unwrap()[0].parse().unwrap()
}
