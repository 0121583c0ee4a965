//! Replicas after a failover: a promoted server's log is another timeline, in which equal positions have another
//! meaning.

use std::sync::{Arc, Mutex};

use rylie_db::Database;
use rylie_db::prelude::*;
use rylie_db::repositories::Server;
use rylie_testkit::{Replica, World};

use super::promoted::{switch, url_at};
use super::{FOR_EVER, REPLICA, Scene, add_request, caught_up, eventually, opens_on, seen};
use crate::support::sql::Sql;

/// One replica is promoted while another one, which was ahead, still follows the old primary.
#[tokio::test]
async fn a_replica_that_stayed_with_the_old_primary_serves_no_reads_of_the_new_one() {
    let scene = Scene::with(&[]).await;
    let (world, scope) = (&scene.world, &scene.scope);
    let promoted = Replica::of(scene.replica.primary()).await.unwrap();
    let leader = Arc::new(Mutex::new(scene.replica.primary().address()));
    let url = url_at(world, scene.replica.primary(), &switch(Arc::clone(&leader)).await);
    let database = world.connect_with_settings(&[FOR_EVER, &[("database_url", &url)]].concat()).await.unwrap();
    let store = &*database.store();
    caught_up(store, scope).await;
    caught_up_by_itself(&promoted, world).await;
    promoted.promote().await.unwrap();
    // The replica has changes that the promoted server never had, and its position is beyond all later writes.
    let mut old = Sql::connect(world.url()).await;
    for _ in 0..2 {
        add_request(store, scope).await;
        old.run("SELECT pg_switch_wal()").await;
    }
    caught_up(store, scope).await;

    leader.lock().unwrap().clone_from(&promoted.address());
    old.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;

    let left = async || database.replicas()[0].reason.contains("timeline");
    eventually("it is left", left).await;
    let (request, written) = add_request(store, scope).await;
    let (read, after) = (UnitOptions::read_only(), UnitOptions::read_only().after(written));
    for _ in 0..20 {
        assert_eq!(seen(store, scope, read, &request).await, (true, Server::Primary));
        assert_eq!(seen(store, scope, after, &request).await, (true, Server::Primary));
    }
}

/// Waits until a replica that no store uses has the world's database with its roles and rows.
async fn caught_up_by_itself(replica: &Replica, world: &World) {
    let database = served_by(replica, world).await;
    eventually("the other one is there", async || database.replicas()[0].serving).await;
}

async fn served_by(replica: &Replica, world: &World) -> Database {
    world.connect_with_settings(&[("replica_urls", &world.replica_url(replica).unwrap())]).await.unwrap()
}

#[tokio::test]
async fn a_replica_that_follows_the_promoted_server_serves_again() {
    let scene = Scene::with(&[]).await;
    let (world, scope, primary) = (&scene.world, &scene.scope, scene.replica.primary());
    let (promoted, follower) = (Replica::of(primary).await.unwrap(), Replica::of(primary).await.unwrap());
    let mut old = Sql::connect(world.url()).await;
    // A service login may not see what a replica receives.
    old.run("CREATE ROLE served LOGIN; GRANT rylie_doors TO served").await;
    // The promoted replica has everything that the other one has.
    let on_follower = served_by(&follower, world).await;
    eventually("the follower serves", async || on_follower.replicas()[0].serving).await;
    follower.follow(None).await.unwrap();
    let (_, written) = add_request(&*scene.store, scope).await;
    let on_successor = served_by(&promoted, world).await;
    let after = UnitOptions::read_only().after(written);
    eventually("it has it", async || opens_on(&*on_successor.store(), scope, after).await == REPLICA).await;
    promoted.promote().await.unwrap();
    follower.follow(Some(&promoted)).await.unwrap();

    let urls = [&promoted, &follower].map(|server| world.replica_url(server).unwrap());
    let [primary_url, replica_url] = urls.map(|url| url.replacen("//postgres:", "//served:", 1));
    let settings = [("database_url", primary_url.as_str()), ("replica_urls", &replica_url)];
    let database = world.connect_with_settings(&settings).await.unwrap();
    let store = &*database.store();
    // Until then the follower's own record of its position may name the old timeline.
    promoted.run("CHECKPOINT").await.unwrap();
    let (request, written) = add_request(store, scope).await;
    let after = UnitOptions::read_only().after(written);
    let serves = async || {
        follower.run("CHECKPOINT").await.unwrap();
        opens_on(store, scope, after).await == REPLICA
    };
    eventually("it serves again", serves).await;
    assert_eq!(seen(store, scope, after, &request).await, (true, REPLICA));
    old.run("DROP OWNED BY served; DROP ROLE served").await;
}
