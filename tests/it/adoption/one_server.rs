//! Two databases of one server: roles and their memberships belong to both. PostgreSQL only.

use rylie_migration::{AdoptOptions, CheckStatus, Login, Password, Provision, RoleCheck, Sees};
use rylie_testkit::Cluster;

use super::guide::{Place, everything_read, everything_written, of_the_guide};
use crate::support::raw::Raw;
use crate::support::sql::{deploy, migrations};

/// Makes the guide's login of this database one that serves units in another database.
async fn serve_elsewhere(place: &Place) {
    let app = format!("\"{}_app\"", place.database.name());
    Raw::connect(&place.url()).await.run(&format!("ALTER ROLE {app} NOINHERIT; GRANT rylie_doors TO {app}")).await;
}

async fn check(url: &str) -> RoleCheck {
    let checks = migrations(url).await.check_roles().await.unwrap();
    checks.into_iter().find(|check| check.id == "roles.elsewhere").unwrap()
}

#[tokio::test]
async fn an_old_login_that_serves_another_database_keeps_its_rights() {
    let cluster = Cluster::private().await.unwrap();
    let staging = of_the_guide(&cluster).await;
    staging.adopt().await;
    let production = of_the_guide(&cluster).await;
    let (read, written) = (everything_read(&production.app).await, everything_written(&production.app).await);
    serve_elsewhere(&production).await;

    let found = migrations(&production.url()).await.adopt(AdoptOptions { dry_run: true }, &mut |_| ()).await.unwrap();
    assert!(found.logins.iter().any(|login| login.login.ends_with("_app")), "{found:?}");
    production.adopt().await;

    assert_eq!(everything_read(&production.app).await, read);
    assert_eq!(everything_written(&production.app).await, written);
}

#[tokio::test]
async fn a_deploy_replaces_the_coexistence_of_an_earlier_version() {
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    let read = everything_read(&place.app).await;
    place.adopt().await;
    let mut raw = Raw::connect(&place.url()).await;
    raw.run("CREATE OR REPLACE FUNCTION rylie_is_foreign_role() RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN false; END'").await;
    assert_ne!(everything_read(&place.app).await, read);

    deploy(&place.url()).await;

    assert_eq!(everything_read(&place.app).await, read);
}

#[tokio::test]
async fn a_reader_of_no_tenant_sees_no_row_during_the_coexistence() {
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    place.adopt().await;
    let name = format!("{}_r", place.database.name());
    let readonly = Some(Login { name: name.clone(), password: None });
    let wanted = Provision { readonly, ..Provision::default() };
    migrations(&place.url()).await.provision(&wanted).await.unwrap();

    let mut reader = Raw::connect(&place.database.url_as(&name)).await;
    for table in ["Request", "Task", "Agency"] {
        assert_eq!(reader.rows(&format!("SELECT id FROM \"{table}\"")).await, Ok(vec![]), "{table}");
    }
}

#[tokio::test]
async fn the_roles_check_names_a_login_of_another_database() {
    let cluster = Cluster::private().await.unwrap();
    let (production, staging) = (of_the_guide(&cluster).await, of_the_guide(&cluster).await);
    let name = format!("{}_svc", staging.database.name());
    for place in [&production, &staging] {
        place.adopt().await;
        assert!(!check(&place.url()).await.detail.contains(&name));
    }
    let app = Some(Login { name: name.clone(), password: None });
    migrations(&staging.url()).await.provision(&Provision { app, ..Provision::default() }).await.unwrap();

    assert!(!check(&staging.url()).await.detail.contains(&name));
    let found = check(&production.url()).await;
    assert_eq!(found.status, CheckStatus::Warn);
    assert!(found.detail.contains(&name) && found.detail.contains(staging.database.name()), "{found:?}");

    let close = format!("REVOKE CONNECT ON DATABASE \"{}\" FROM PUBLIC", production.database.name());
    Raw::connect(&production.url()).await.run(&close).await;
    assert_eq!(check(&production.url()).await.status, CheckStatus::Ok);
}

#[tokio::test]
async fn a_login_of_another_databases_old_service_is_not_provisioned_as_a_reader() {
    let cluster = Cluster::private().await.unwrap();
    let (production, staging) = (of_the_guide(&cluster).await, of_the_guide(&cluster).await);
    staging.adopt().await;
    let member = production.login("member", &format!("GRANT \"{}_app\" TO \"$\"", production.database.name())).await;
    let before = everything_read(&member).await;
    let name = format!("{}_member", production.database.name());

    let readonly = Some(Login { name: name.clone(), password: None });
    let wanted = Provision { readonly, ..Provision::default() };
    let refused = migrations(&staging.url()).await.provision(&wanted).await.unwrap_err().to_string();

    assert!(refused.contains(&format!("rights in the database {}", production.database.name())), "{refused}");
    assert_eq!(everything_read(&member).await, before);
}

/// A reader must not write, in whichever database it serves.
#[tokio::test]
async fn a_login_that_serves_units_does_not_become_a_reader() {
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    place.adopt().await;
    Raw::connect(&place.url()).await.run("CREATE ROLE service LOGIN NOINHERIT; GRANT rylie_doors TO service").await;

    let readonly = Some(Login { name: "service".to_owned(), password: None });
    let wanted = Provision { readonly, ..Provision::default() };
    let refused = migrations(&place.url()).await.provision(&wanted).await.unwrap_err().to_string();

    assert!(refused.contains("may assume roles of the units"), "{refused}");
}

/// Provisions and returns the outcome.
async fn provision(place: &Place, wanted: Provision) -> Result<(), String> {
    migrations(&place.url()).await.provision(&wanted).await.map(drop).map_err(|error| error.to_string())
}

/// Returns which roles each login may take, on the whole server.
async fn memberships(place: &Place) -> Vec<String> {
    let sql = "SELECT r.rolname || ' ' || u.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member \
               JOIN pg_roles u ON u.oid = m.roleid ORDER BY 1";
    Raw::connect(&place.url()).await.rows(sql).await.unwrap()
}

#[tokio::test]
async fn a_login_that_two_databases_share_keeps_its_roles() {
    let cluster = Cluster::private().await.unwrap();
    let (production, staging) = (of_the_guide(&cluster).await, of_the_guide(&cluster).await);
    let login = |name: &str| Some(Login { name: name.to_owned(), password: None });
    let all = || Provision { app: login("svc"), ..Provision::default() };
    let one = || Provision { readonly: login("rd"), sees: Some(Sees::Tenant("a1".to_owned())), ..Provision::default() };
    for place in [&production, &staging] {
        place.adopt().await;
        provision(place, all()).await.unwrap();
        provision(place, one()).await.unwrap();
    }
    let before = memberships(&production).await;

    let every = Sees::EveryTenant { reason: "reports".to_owned() };
    for wanted in [
        Provision { app: login("svc"), no_platform: true, ..Provision::default() },
        Provision { readonly: login("rd"), sees: Some(every), ..Provision::default() },
    ] {
        let refused = provision(&staging, wanted).await.unwrap_err();
        let reason = format!(
            "is provisioned in {} of this server too, and would change its roles there",
            production.database.name()
        );
        assert!(refused.contains(&reason), "{refused}");
    }
    let sealer = Provision { sealer: login("own"), ..Provision::default() };
    provision(&production, Provision { app: login("own"), ..Provision::default() }).await.unwrap();
    assert!(provision(&staging, sealer).await.unwrap_err().contains("would change its roles there"));

    provision(&staging, all()).await.unwrap();
    assert_eq!(memberships(&production).await.len(), before.len() + 1, "only the login `own` came");
}

#[tokio::test]
async fn a_login_that_two_databases_share_keeps_its_password() {
    let cluster = Cluster::private().await.unwrap();
    let (production, staging) = (of_the_guide(&cluster).await, of_the_guide(&cluster).await);
    let with = |password: &str| {
        let password = Some(Password::new(password).unwrap());
        Provision { app: Some(Login { name: "svc".to_owned(), password }), ..Provision::default() }
    };
    for place in [&production, &staging] {
        place.adopt().await;
    }
    provision(&production, with("first")).await.unwrap();
    let mut raw = Raw::connect(&production.url()).await;
    let rules =
        "local all svc scram-sha-256\nhost all svc all scram-sha-256\nlocal all all trust\nhost all all all trust";
    let file = raw.rows("SHOW hba_file").await.unwrap().remove(0);
    raw.run(&format!(
        "COPY (SELECT unnest(string_to_array('{rules}', E'\\n'))) TO '{file}'; SELECT pg_reload_conf(), pg_sleep(1)"
    ))
    .await;
    let verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = 'svc'";

    provision(&staging, with("first")).await.unwrap();
    let before = raw.rows(verifier).await;
    let refused = provision(&staging, with("second")).await.unwrap_err();

    assert!(refused.contains("would get another password there"), "{refused}");
    assert_eq!(raw.rows(verifier).await, before);
}

#[tokio::test]
async fn the_roles_check_compares_each_login_with_its_kind() {
    let cluster = Cluster::private().await.unwrap();
    let place = of_the_guide(&cluster).await;
    place.adopt().await;
    let login = |name: &str| Some(Login { name: name.to_owned(), password: None });
    let sees = Some(Sees::Tenant("a1".to_owned()));
    let wanted = Provision { app: login("svc"), readonly: login("rd"), sees, ..Provision::default() };
    provision(&place, wanted).await.unwrap();
    let recorded = async || {
        let checks = migrations(&place.url()).await.check_roles().await.unwrap();
        checks.into_iter().find(|check| check.id == "roles.recorded").unwrap()
    };
    assert_eq!(recorded().await.status, CheckStatus::Ok);

    Raw::connect(&place.url()).await.run("GRANT rylie_auditor, rylie_tenant TO rd; GRANT rylie_sealer TO svc").await;

    let found = recorded().await;
    assert_eq!(found.status, CheckStatus::Fail);
    for wrong in [
        "rd reads, and may take rylie_auditor",
        "rd reads, and may take rylie_tenant",
        "svc serves units, and may take rylie_sealer",
    ] {
        assert!(found.detail.contains(wrong), "{wrong}: {found:?}");
    }
}
