//! Two logins: one for tenant and identity units, another for the platform.

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_migration::{Login, Provision};

use super::protected;
use crate::support::logins::in_order;
use crate::support::raw::{DENIED, Raw};
use crate::support::sql::migrations;

fn grant() -> Grant {
    Grant::job("test", "to test").unwrap()
}

fn wanted(name: &str, no_platform: bool) -> Provision {
    Provision { app: Some(Login { name: name.to_owned(), password: None }), no_platform, ..Provision::default() }
}

#[tokio::test]
async fn a_login_without_the_platform_serves_tenants_and_may_not_take_its_role() {
    let (database, _raw) = protected().await;
    let (app, jobs) = (format!("{}_app", database.name()), format!("{}_jobs", database.name()));
    let mut owner = migrations(&database.url()).await;
    // Twice, and on a login that could open every kind of unit.
    owner.provision(&wanted(&app, false)).await.unwrap();
    for _ in 0..2 {
        assert!(!owner.provision(&wanted(&app, true)).await.unwrap()[0].platform);
    }
    owner.provision(&wanted(&jobs, false)).await.unwrap();
    let reported: Vec<_> =
        owner.provisioned().await.unwrap().into_iter().map(|row| (row.login, row.platform)).collect();
    assert_eq!(reported, [(app.clone(), false), (jobs.clone(), true)]);

    let mut raw = Raw::connect(&database.url_as(&app)).await;
    for role in ["rylie_platform", "rylie_doors"] {
        assert_eq!(raw.rows(&format!("SET ROLE {role}")).await, Err(DENIED.to_owned()), "{role}");
    }
    // It inherits nothing from the roles that it may assume.
    assert_eq!(raw.rows("SELECT id FROM \"User\"").await, Err(DENIED.to_owned()));
    assert_eq!(raw.as_tenant("a1", "SELECT id FROM \"Request\"").await.unwrap(), ["r-ann"]);

    let alone = Database::connect(Config::new(&database.url_as(&app)).unwrap()).await.unwrap();
    assert!(alone.health().await.unwrap().row_level_security);
    assert!(alone.check_roles().await.unwrap().iter().all(in_order));
    assert_eq!(alone.migrate().await.unwrap(), Vec::<String>::new());
    assert!(matches!(alone.store().platform(grant()).await, Err(Error::NoPlatform)));
    assert!(matches!(alone.store().operations().await, Err(Error::NoPlatform)));
    drop(alone.store().identity().await.unwrap());

    let config = Config::builder().set("database_url", database.url_as(&app)).unwrap();
    let config = config.set("platform_url", database.url_as(&jobs)).unwrap().build().unwrap();
    let both = Database::connect(config).await.unwrap();
    let unit = both.store().platform(grant()).await.unwrap();
    assert_eq!(unit.agencies().list(PageRequest::default()).await.unwrap().total, 2);
    drop(both.store().operations().await.unwrap());
    drop(both.store().identity().await.unwrap());
}

#[tokio::test]
async fn a_login_for_the_platform_of_another_database_is_refused() {
    let ((ours, _), (other, _)) = (protected().await, protected().await);
    let mut raw = Raw::connect(&other.url()).await;
    raw.run("UPDATE rylie_database SET fingerprint = 'another'").await;
    let config = Config::builder().set("database_url", ours.url()).unwrap();
    let config = config.set("platform_url", other.url()).unwrap().build().unwrap();

    let refused = Database::connect(config).await.unwrap_err();

    assert!(matches!(&refused, rylie_db::Error::Config { setting, .. } if setting == "platform_url"), "{refused:?}");
}
