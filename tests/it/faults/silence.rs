//! A network that silently drops all traffic.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use rylie_db::maintenance::Sweep;
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, Loader};
use rylie_testkit::{Lost, World};

use super::{Before, KINDS, Kind, PATIENCE, Scene, To, is_lost_before_commit, is_unknown, request};

const LOST: [Lost; 3] = [Lost::ToServer, Lost::ToClient, Lost::Everything];

const STEPS: [Before; 4] = [Before::Opening, Before::Statement, Before::Savepoint, Before::Commit];

/// Drops this traffic during one step of a unit of each kind, and expects the step to end.
async fn the_step_ends(world: &World, to: To, step: Before, lost: Lost) {
    let scene = Scene::of(world, to).await;
    for kind in KINDS {
        scene.is_whole().await;
        let falls = async |before| {
            if before == step {
                scene.proxy.lose(lost);
            }
        };
        let error = kind.write_in_time(&scene, falls).await.unwrap_err();
        let right = if step == Before::Commit { is_unknown(&error) } else { is_lost_before_commit(&error) };
        assert!(right, "{kind:?}, {lost:?} before {step:?}: {error:?}");
        scene.proxy.lose_nothing();
    }
    scene.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_of_a_unit_waits_for_ever() {
    let world = World::postgres().await.unwrap();
    let cases = LOST.into_iter().flat_map(|lost| STEPS.map(|step| the_step_ends(&world, To::Server, step, lost)));
    futures_util::future::join_all(cases).await;
}

/// A database for each step, because the pooler has few connections per database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_of_a_unit_waits_for_ever_behind_a_pooler() {
    let cases = STEPS.map(|step| async move {
        let world = World::postgres().await.unwrap();
        the_step_ends(&world, To::Pooler, step, Lost::Everything).await;
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test]
async fn no_read_waits_for_ever() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let unit = scene.store.tenant(&scene.scope).await.unwrap();
    let id = unit.requests().add(request("t")).await.unwrap().id;
    unit.commit().await.unwrap();
    let loader: Loader<rylie_db::entities::Request> = Loader::new(Arc::clone(&scene.store), scene.scope.clone());
    let lost = |read: Result<(), Error>| {
        let error = read.unwrap_err();
        assert!(is_lost_before_commit(&error), "{error:?}");
        scene.proxy.lose_nothing();
    };

    for options in [UnitOptions::read_only(), UnitOptions::autocommit()] {
        scene.is_whole().await;
        let unit = scene.store.open_tenant(&scene.scope, options, Location::caller()).await.unwrap();
        scene.proxy.lose(Lost::ToClient);
        lost(tokio::time::timeout(PATIENCE, unit.requests().get(&id)).await.unwrap().map(drop));
    }
    scene.is_whole().await;
    scene.proxy.lose(Lost::ToClient);
    lost(tokio::time::timeout(PATIENCE, loader.get(id)).await.unwrap().map(drop));
    scene.is_whole().await;
}

#[tokio::test]
async fn no_question_beside_the_units_waits_for_ever() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.is_whole().await;
    scene.proxy.lose(Lost::Everything);

    tokio::time::timeout(PATIENCE, scene.database.health()).await.unwrap().unwrap_err();
    let marked = tokio::time::timeout(PATIENCE, scene.database.guard_destructive("test")).await.unwrap();
    marked.unwrap_err();
    let url = world.url_through(&scene.proxy).unwrap();
    let settings = [("database_url", url.as_str()), ("acquire_timeout_seconds", "1")];
    tokio::time::timeout(PATIENCE, world.connect_with_settings(&settings)).await.unwrap().unwrap_err();
    tokio::time::timeout(PATIENCE, scene.database.migrations()).await.unwrap().unwrap_err();
    tokio::time::timeout(PATIENCE, scene.database.close()).await.expect("closing hangs");
}

/// The pool checks a returned connection and gets no answer.
#[tokio::test]
async fn an_idle_connection_that_fell_silent_is_replaced() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.is_whole().await;
    scene.proxy.lose(Lost::Everything);
    // Longer than connections stay in the cache, and than the health check's time limit.
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.proxy.lose_nothing();
    let opened = scene.proxy.connections();

    Kind::Tenant.write_in_time(&scene, async |_| {}).await.unwrap();
    assert!(scene.proxy.connections() > opened, "the pool let go of them");
    scene.is_whole().await;
}

/// A network that lost the state of the connections, as after a gateway's restart: they are dead, and new ones work.
#[tokio::test]
async fn idle_connections_that_nobody_knows_any_more_cost_no_caller_an_error() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.is_whole().await;
    let before = scene.proxy.connections();
    scene.proxy.forget();

    Kind::Tenant.write_in_time(&scene, async |_| {}).await.unwrap();
    assert!(scene.proxy.connections() > before, "another connection served");
}

/// A process that is stopped inside a job's transaction holds its locks for a short time only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_of_a_job_that_stops_are_free_soon() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let options = UnitOptions { idle_timeout: Some(Duration::from_secs(2)), ..UnitOptions::default() };
    let grant = Grant::job("test", "a test of pauses").unwrap();
    let unit = scene.store.open_platform(grant, options, Location::caller()).await.unwrap();
    let agencies = unit.agencies().list(PageRequest::default()).await.unwrap();
    assert!(!agencies.items.is_empty());
    tokio::time::sleep(Duration::from_secs(5)).await;

    let error = unit.agencies().list(PageRequest::default()).await.unwrap_err();

    assert!(is_lost_before_commit(&error), "{error:?}");
    drop(unit);
    let unit = scene.store.tenant(&scene.scope).await.unwrap();
    let id = unit.requests().add(request("t")).await.unwrap().id;
    unit.requests().remove(&id).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(chrono::TimeDelta::days(3));
    scene.proxy.record_statements();
    let purged = rylie_db::maintenance::purge_deleted(&*scene.store, Duration::from_hours(24), &Sweep::default()).await;
    assert_eq!(purged.unwrap().requests, 1);
    let statements = scene.proxy.take_statements();
    assert!(
        statements.iter().any(|sql| sql.contains("SET LOCAL idle_in_transaction_session_timeout = 30000")),
        "{statements:?}"
    );
}
