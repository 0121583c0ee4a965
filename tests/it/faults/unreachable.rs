//! An unreachable server and an exhausted pool give different errors.

use std::error::Error as _;
use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{Lost, World};

use super::{PLACES, Scene, To, is_lost_before_commit};

/// Starts more callers than places, so that some wait behind callers that cannot connect.
async fn all_callers(scene: &Scene) -> Vec<Error> {
    let callers = (0..PLACES * 4).map(|_| scene.store.tenant(&scene.scope).into_future());
    let opened = futures_util::future::join_all(callers).await;
    opened.into_iter().map(|opened| opened.map(drop).unwrap_err()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_connections_is_reported_in_its_own_words() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.proxy.close().await;

    for error in all_callers(&scene).await {
        assert!(is_lost_before_commit(&error), "{error:?}");
        let reported = error.source().unwrap().to_string();
        assert!(reported.contains("refused"), "{reported}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_no_pool_that_ran_dry() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.proxy.lose(Lost::Everything);

    for error in all_callers(&scene).await {
        assert!(is_lost_before_commit(&error), "{error:?}");
    }
}

/// Units hold all connections of a healthy server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_runs_dry_beside_a_server_that_is_well_says_so() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let held =
        futures_util::future::join_all((0..PLACES).map(|_| scene.store.tenant(&scene.scope).into_future())).await;

    for error in all_callers(&scene).await {
        let Error::PoolExhausted { in_use, size, longest, .. } = error else { panic!("{error:?}") };
        assert_eq!((in_use, size, longest.len()), (3, PLACES, 3));
    }
    assert!(held.iter().all(Result::is_ok));
}

/// A cancelled caller leaves a statement that waits for a lock. Its connection counts as in use until the server
/// answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_behind_callers_that_gave_up_are_counted_as_in_use() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let database =
        world.connect_with_settings(&[("max_connections", "1"), ("acquire_timeout_seconds", "1")]).await.unwrap();
    let store = database.store();
    let mut beside = crate::support::sql::Sql::connect(world.url()).await;
    beside.run("BEGIN; LOCK TABLE \"Request\"").await;
    let unit = store.tenant(&scene.scope).await.unwrap();
    let list = unit.requests().list(RequestFilter::default(), PageRequest::default());
    tokio::time::timeout(Duration::from_millis(200), list).await.unwrap_err();
    drop(unit);

    let error = store.tenant(&scene.scope).await.map(drop).unwrap_err();
    assert!(matches!(error, Error::PoolExhausted { in_use: 1, size: 1, .. }), "{error:?}");
}
