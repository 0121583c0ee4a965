//! A replica behind a pooler in transaction mode, where each unit may use a different server connection.

use std::sync::{Arc, Mutex};

use rylie_db::Database;
use rylie_db::prelude::*;
use rylie_db::repositories::Server;
use rylie_testkit::Pooler;

use super::promoted::{switch, url_at};
use super::{FOR_EVER, REPLICA, Scene, add_request, caught_up, eventually, opens_on, seen};

/// Opens a store that the pooler's target serves.
async fn through(pooler: &Pooler, scene: &Scene) -> Database {
    let url = url_at(&scene.world, scene.replica.primary(), pooler.address());
    let settings = [FOR_EVER, &[("replica_urls", url.as_str()), ("behind_pooler", "true")]].concat();
    let database = scene.world.connect_with_settings(&settings).await.unwrap();
    caught_up(&*database.store(), &scene.scope).await;
    database
}

#[tokio::test]
async fn what_was_written_is_read_through_the_pooler_too() {
    let scene = Scene::with(&[]).await;
    let pooler = scene.replica.pooler_before(&scene.replica.address()).await.unwrap();
    let database = through(&pooler, &scene).await;
    let (store, scope) = (&*database.store(), &scene.scope);
    scene.replica.pause().await.unwrap();

    let (request, written) = add_request(store, scope).await;
    let (stale, after) = (UnitOptions::read_only(), UnitOptions::read_only().after(written));
    assert_eq!(seen(store, scope, stale, &request).await, (false, REPLICA));
    assert_eq!(seen(store, scope, after, &request).await, (true, Server::Primary));

    scene.replica.resume().await.unwrap();
    eventually("the replica has it", async || opens_on(store, scope, after).await == REPLICA).await;
    assert_eq!(seen(store, scope, after, &request).await, (true, REPLICA));
}

/// Concurrent units use the pooler's connections in varying orders.
#[tokio::test]
async fn tenants_stand_apart_on_the_connections_of_the_pooler() {
    let scene = Scene::with(&[]).await;
    let pooler = scene.replica.pooler_before(&scene.replica.address()).await.unwrap();
    let database = through(&pooler, &scene).await;
    let (store, other) = (database.store(), scene.world.agency().await.unwrap().scope());
    let (theirs, written) = add_request(&*store, &other).await;
    let (ours, later) = add_request(&*store, &scene.scope).await;
    let after = UnitOptions::read_only().after(written.max(later));
    eventually("it has both", async || opens_on(&*store, &other, after).await == REPLICA).await;

    let units: Vec<_> = (0..20)
        .map(|number| {
            let (store, ours, theirs) = (Arc::clone(&store), ours.clone(), theirs.clone());
            let (scope, own, foreign) =
                if number % 2 == 0 { (scene.scope.clone(), ours, theirs) } else { (other.clone(), theirs, ours) };
            tokio::spawn(async move {
                for _ in 0..10 {
                    assert!(seen(&*store, &scope, after, &own).await.0);
                    assert!(!seen(&*store, &scope, after, &foreign).await.0);
                }
            })
        })
        .collect();
    for unit in units {
        unit.await.unwrap();
    }
    assert!(database.replicas()[0].serving, "{:?}", database.replicas());
}

#[tokio::test]
async fn a_replica_that_is_lost_behind_the_pooler_is_left_and_taken_again() {
    let mut scene = Scene::with(&[]).await;
    let pooler = scene.replica.pooler_before(&scene.replica.address()).await.unwrap();
    let database = through(&pooler, &scene).await;
    let (store, scope, read) = (&*database.store(), &scene.scope, UnitOptions::read_only());

    scene.replica.kill().unwrap();

    let (request, written) = add_request(store, scope).await;
    for _ in 0..20 {
        assert_eq!(seen(store, scope, read, &request).await, (true, Server::Primary), "opening never fails");
    }
    assert!(!database.replicas()[0].serving);

    scene.replica.start().await.unwrap();
    let after = read.after(written);
    eventually("it is taken again", async || opens_on(store, scope, after).await == REPLICA).await;
    assert_eq!(seen(store, scope, after, &request).await, (true, REPLICA));
}

/// The pooler keeps its clients' connections, so they get no sign of another server behind it.
#[tokio::test]
async fn what_the_pooler_leads_to_instead_of_the_replica_serves_nothing() {
    let scene = Scene::with(&[]).await;
    let server = Arc::new(Mutex::new(scene.replica.address()));
    let pooler = scene.replica.pooler_before(&switch(Arc::clone(&server)).await).await.unwrap();
    let database = through(&pooler, &scene).await;
    let (store, scope, read) = (&*database.store(), &scene.scope, UnitOptions::read_only());

    server.lock().unwrap().clone_from(&scene.replica.primary().address());
    let end = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname LIKE 'rylie_test_%'";
    scene.replica.run(end).await.unwrap();

    for _ in 0..20 {
        assert_eq!(opens_on(store, scope, read).await, Server::Primary);
    }
    let reported = async || database.replicas()[0].reason.contains("not in recovery");
    eventually("it is told why", reported).await;

    server.lock().unwrap().clone_from(&scene.replica.address());
    let mut primary = crate::support::sql::Sql::connect(scene.world.url()).await;
    let end = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    primary.run(end).await;
    caught_up(store, scope).await;
}

#[tokio::test]
async fn a_pooler_that_the_settings_do_not_name_is_reported() {
    let scene = Scene::with(&[]).await;
    let pooler = scene.replica.pooler_before(&scene.replica.address()).await.unwrap();
    let url = url_at(&scene.world, scene.replica.primary(), pooler.address());
    let database = scene.world.connect_with_settings(&[("replica_urls", &url)]).await.unwrap();

    let reported = async || database.replicas()[0].reason.contains("behind_pooler");
    eventually("it is told why", reported).await;

    let read = UnitOptions::read_only();
    assert_eq!(opens_on(&*database.store(), &scene.scope, read).await, Server::Primary);
}
