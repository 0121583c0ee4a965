//! Sealers exclude each other, and no other login stops them. PostgreSQL only: SQLite has one writer.

use rylie_db::maintenance;
use rylie_db::prelude::*;
use rylie_migration::{Login, Password, Provision};
use rylie_testkit::World;

use super::world;
use crate::support::audit::{Outside, record};
use crate::support::logins::url_as;
use crate::support::sql::{Sql, migrations};

/// Connects as the service's login, as a sealer's and as a reader's.
async fn logins(world: &World) -> [(String, Sql); 3] {
    let mut sql = Sql::connect(world.url()).await;
    let suffix = sql.one("SELECT current_database()::text").await.trim_start_matches("rylie_test_").to_owned();
    let names = ["app", "sealer", "reader"].map(|kind| format!("{kind}_{suffix}"));
    let [app, sealer, readonly] =
        names.clone().map(|name| Some(Login { name, password: Some(Password::new("x").unwrap()) }));
    let wanted = Provision { app, sealer, readonly, ..Provision::default() };
    migrations(world.url()).await.provision(&wanted).await.unwrap();
    let mut logins = Vec::new();
    for name in names {
        let sql = Sql::connect(&url_as(world.url(), &name)).await;
        logins.push((name, sql));
    }
    logins.try_into().ok().unwrap()
}

async fn try_to_seal(world: &World, outside: &Outside) -> Result<u64, maintenance::Error> {
    Ok(maintenance::seal_audit(&*world.store(), &outside.key, &[]).await?.records)
}

#[tokio::test]
async fn no_login_that_may_not_seal_stops_a_sealer() {
    let (world, outside) = (world().await, Outside::new());
    let agency = world.agency().await.unwrap();
    let [(app, mut service), (sealer, mut seals), (reader, mut reads)] = logins(&world).await;
    for (name, sql) in [(&app, &mut service), (&reader, &mut reads)] {
        sql.run("SELECT pg_advisory_lock(7264, 5)").await;
        record(&agency, 1).await;

        assert!(try_to_seal(&world, &outside).await.unwrap() > 0, "{name}");
        let refused = sql.try_run("SELECT public.rylie_audit_lock_sealing()").await.unwrap_err().to_string();
        assert!(refused.contains("permission denied for function"), "{name}: {refused}");
        sql.run("SELECT pg_advisory_unlock(7264, 5)").await;
    }

    // A command of before, which seals.
    seals.run("BEGIN; SELECT pg_advisory_xact_lock(7264, 5)").await;
    let outcome = try_to_seal(&world, &outside).await;
    assert!(matches!(outcome, Err(maintenance::Error::Sealing)), "{sealer}: {outcome:?}");
    seals.run("COMMIT").await;
    assert!(try_to_seal(&world, &outside).await.is_ok());
}

#[tokio::test]
async fn two_sealers_exclude_each_other() {
    let (world, outside) = (world().await, Outside::new());
    let [_, (_, mut sealer), _] = logins(&world).await;
    sealer.run("BEGIN; SET LOCAL ROLE rylie_sealer; SELECT public.rylie_audit_lock_sealing()").await;

    let outcome = try_to_seal(&world, &outside).await;

    assert!(matches!(outcome, Err(maintenance::Error::Sealing)), "{outcome:?}");
    sealer.run("ROLLBACK").await;
    assert!(try_to_seal(&world, &outside).await.is_ok());
}

#[tokio::test]
async fn a_database_from_before_the_lock_is_sealed() {
    let (world, outside) = (world().await, Outside::new());
    Sql::connect(world.url()).await.run("DROP FUNCTION public.rylie_audit_lock_sealing()").await;
    record(&world.agency().await.unwrap(), 1).await;

    assert!(try_to_seal(&world, &outside).await.unwrap() > 0);
}
