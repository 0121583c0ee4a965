//! SQLSTATEs of a lost connection, before and during the commit.

use rylie_db::repositories::{Error, StoreExt};
use rylie_testkit::World;

use super::{Before, Kind, Scene, To, is_lost_before_commit, is_unknown, request};
use crate::support::sql::Sql;

/// A request fails with the code in its title: immediately after `now`, and at the commit after `later`.
const RAISING: &str = "CREATE FUNCTION raising() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'raised' USING ERRCODE = split_part(NEW.title, ' ', 2); END $$; \
     CREATE TRIGGER raising_now BEFORE INSERT ON \"Request\" FOR EACH ROW \
         WHEN (NEW.title LIKE 'now %') EXECUTE FUNCTION raising(); \
     CREATE CONSTRAINT TRIGGER raising_later AFTER INSERT ON \"Request\" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
         WHEN (NEW.title LIKE 'later %') EXECUTE FUNCTION raising()";

const LOST: [&str; 13] = [
    "08000", "08001", "08003", "08004", "08006", "08007", "08P01", "57P01", "57P02", "57P03", "57P04", "57P05", "40003",
];

async fn raise(scene: &Scene, when: &str, code: &str) -> (Option<Error>, Option<Error>) {
    let unit = scene.store.tenant(&scene.scope).await.unwrap();
    if let Err(error) = unit.requests().add(request(&format!("{when} {code}"))).await {
        return (Some(error), None);
    }
    (None, unit.commit().await.err())
}

#[tokio::test]
async fn a_lost_connection_is_known_by_every_code_that_says_so() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    Sql::connect(world.url()).await.run(RAISING).await;
    let rows = scene.count(Kind::Tenant).await;

    for code in LOST {
        let (before, _) = raise(&scene, "now", code).await;
        let before = before.unwrap();
        assert!(is_lost_before_commit(&before), "{code}: {before:?}");
        let (early, during) = raise(&scene, "later", code).await;
        let during = during.unwrap();
        assert!(early.is_none() && is_unknown(&during), "{code}: {during:?}");
    }
    assert_eq!(scene.count(Kind::Tenant).await, rows);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_any_more_is_left_and_the_unit_may_be_run_again() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    Sql::connect(world.url()).await.run(RAISING).await;

    for when in ["now", "later"] {
        scene.is_whole().await;
        let opened = scene.proxy.connections();
        let (before, during) = raise(&scene, when, "25006").await;
        let error = before.or(during).unwrap();
        assert!(is_lost_before_commit(&error), "{when}: {error:?}");
        Kind::Tenant.write_in_time(&scene, async |_| {}).await.unwrap();
        assert!(scene.proxy.connections() > opened, "{when}: its connections are used no more");
    }
}

/// The transaction is rejected: nothing is lost, and the outcome is known.
#[tokio::test]
async fn what_a_commit_is_refused_for_is_an_ordinary_error() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    Sql::connect(world.url()).await.run(RAISING).await;

    let (_, unique) = raise(&scene, "later", "23505").await;
    assert!(matches!(unique, Some(Error::Conflict { .. })), "{unique:?}");
    let (_, reference) = raise(&scene, "later", "23503").await;
    assert!(matches!(reference, Some(Error::Reference { .. })), "{reference:?}");
    let (_, other) = raise(&scene, "later", "P0001").await;
    assert!(matches!(other, Some(Error::Database(_))), "{other:?}");
    let (_, serialization) = raise(&scene, "later", "40001").await;
    assert!(matches!(serialization, Some(Error::Contention)), "{serialization:?}");
    assert_eq!(scene.count(Kind::Tenant).await, 0);
}

#[tokio::test]
async fn a_session_that_is_ended_is_lost_before_the_commit_and_unknown_during_it() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for step in [Before::Statement, Before::Savepoint, Before::Commit] {
        scene.is_whole().await;
        let ends = async |before| {
            if before == step {
                let end = "SELECT pg_terminate_backend(pid, 60000)::text FROM pg_stat_activity \
                     WHERE datname = current_database() AND state = 'idle in transaction'";
                assert_eq!(Sql::connect(world.url()).await.all(end).await, ["true"], "{step:?}");
            }
        };
        let error = Kind::Tenant.write_in_time(&scene, ends).await.unwrap_err();
        let right = if step == Before::Commit { is_unknown(&error) } else { is_lost_before_commit(&error) };
        assert!(right, "{step:?}: {error:?}");
    }
    scene.is_whole().await;
}
