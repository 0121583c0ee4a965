//! A replica beyond the lag limit is not used, and used again when it has caught up.

use rylie_db::prelude::*;
use rylie_db::repositories::Server;

use super::{REPLICA, Scene, add_request, caught_up, eventually, opens_on, seen};

const ONE_SECOND: &[(&str, &str)] = &[("replica_max_lag_seconds", "1")];

#[tokio::test]
async fn a_replica_that_stands_still_is_left_and_one_that_catches_up_is_taken_again() {
    let scene = Scene::with(ONE_SECOND).await;
    let (store, scope) = (&*scene.store, &scene.scope);

    scene.replica.pause().await.unwrap();
    let (request, _) = add_request(store, scope).await;
    let read = UnitOptions::read_only();
    eventually("it is left", async || opens_on(store, scope, read).await == Server::Primary).await;
    assert!(!scene.database.replicas()[0].serving);
    assert!(scene.database.replicas()[0].reason.contains("behind"), "{:?}", scene.database.replicas());
    assert_eq!(seen(store, scope, read, &request).await, (true, Server::Primary));

    scene.replica.resume().await.unwrap();
    eventually("it is taken again", async || opens_on(store, scope, read).await == REPLICA).await;
    assert_eq!(seen(store, scope, read, &request).await, (true, REPLICA));
}

#[tokio::test]
async fn a_replica_that_is_late_on_purpose_is_left() {
    let scene = Scene::with(ONE_SECOND).await;
    let (store, scope) = (&*scene.store, &scene.scope);

    scene.replica.run("ALTER SYSTEM SET recovery_min_apply_delay = '1h'").await.unwrap();
    scene.replica.run("SELECT pg_reload_conf()").await.unwrap();
    // A write may have arrived before the setting took effect.
    let read = UnitOptions::read_only();
    let left = async || {
        add_request(store, scope).await;
        opens_on(store, scope, read).await == Server::Primary
    };
    eventually("it is left", left).await;

    scene.replica.run("ALTER SYSTEM RESET recovery_min_apply_delay").await.unwrap();
    scene.replica.run("SELECT pg_reload_conf()").await.unwrap();
    caught_up(store, scope).await;
}
