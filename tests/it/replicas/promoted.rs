//! A server that is not, or no longer, a replica of the primary serves no unit.

use std::sync::{Arc, Mutex};

use rylie_db::prelude::*;
use rylie_db::repositories::Server;
use rylie_testkit::{Cluster, Replica, World};
use tokio::net::{TcpListener, TcpStream};

use super::{REPLICA, add_request, caught_up, eventually, opens_on, replica, seen};

/// The next unit already opens on the primary: a promoted server fails the opening batch, even before the next probe.
#[tokio::test]
async fn a_replica_that_is_promoted_serves_no_unit_more() {
    // Promotion is permanent, so this is not the shared replica.
    let replica = Replica::of(replica().await.primary()).await.unwrap();
    let world = World::postgres_with_replica(&replica).await.unwrap();
    // The probe runs once a second, so it has not detected the promotion yet.
    let database = world.connect_with_settings(&[("replica_max_lag_seconds", "3600")]).await.unwrap();
    let (agency, store) = (world.agency().await.unwrap(), database.store());
    let scope = agency.scope();
    caught_up(&*store, &scope).await;

    replica.promote().await.unwrap();

    let (request, _) = add_request(&*store, &scope).await;
    for _ in 0..20 {
        let read = UnitOptions::read_only();
        assert_eq!(seen(&*store, &scope, read, &request).await, (true, Server::Primary));
    }
    let reported = async || database.replicas()[0].reason.contains("promoted");
    eventually("it is told why", reported).await;
}

#[tokio::test]
async fn a_server_that_is_no_replica_of_the_primarys_database_serves_nothing() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let agency = world.agency().await.unwrap();
    caught_up(&*world.store(), &agency.scope()).await;
    let other = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let beside = replica.primary().empty_database().await.unwrap();
    caught_up(&*world.store(), &agency.scope()).await;

    for (url, reason) in [
        (world.url().to_owned(), "not in recovery"),
        (other.url(), "not in recovery"),
        (replica.url(&beside), "not a replica of this server's database"),
        ("postgres://nobody@127.0.0.1:1/none".to_owned(), "connection"),
    ] {
        let database = world.connect_with_settings(&[("replica_urls", &url)]).await.unwrap();
        let reported = async || database.replicas()[0].reason.contains(reason);
        eventually(reason, reported).await;
        assert!(!database.replicas()[0].serving);
        let read = UnitOptions::read_only();
        assert_eq!(opens_on(&*database.store(), &agency.scope(), read).await, Server::Primary);
    }
}

/// Forwards connections to the server that is named at the time.
pub(super) async fn switch(to: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = to.lock().unwrap().clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}

/// Returns the URL of the world's database at another address of its cluster, or of one that follows it.
pub(super) fn url_at(world: &World, cluster: &Cluster, address: &str) -> String {
    let url = world.url().replacen(&cluster.address(), address, 1);
    url.split("?host=").next().unwrap().to_owned()
}

/// As after a crash, when it shows less until it has caught up.
#[tokio::test]
async fn a_server_that_has_replayed_less_than_was_seen_does_not_serve_the_unit() {
    let replica = replica().await;
    let behind = Replica::of(replica.primary()).await.unwrap();
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let server = Arc::new(Mutex::new(replica.address()));
    let address = switch(Arc::clone(&server)).await;
    let url = url_at(&world, replica.primary(), &address);
    let settings = [("replica_urls", url.as_str()), ("replica_max_lag_seconds", "3600")];
    let database = world.connect_with_settings(&settings).await.unwrap();
    let (agency, store) = (world.agency().await.unwrap(), database.store());
    let scope = agency.scope();
    caught_up(&*store, &scope).await;
    caught_up_by_itself(&behind, &world).await;
    behind.pause().await.unwrap();
    let (request, written) = add_request(&*store, &scope).await;
    let after = UnitOptions::read_only().after(written);
    eventually("the replica has it", async || opens_on(&*store, &scope, after).await == REPLICA).await;

    // While the connections to the first server are in use, a new one leads to the second.
    let mut in_use = vec![store.tenant(&scope).read_only().after(written).await.unwrap()];
    assert_ne!(in_use[0].server(), Server::Primary);
    server.lock().unwrap().clone_from(&behind.address());
    loop {
        let unit = store.tenant(&scope).read_only().after(written).await.unwrap();
        assert!(unit.requests().find(&request).await.unwrap().is_some(), "on the {}", unit.server());
        if unit.server() == Server::Primary {
            break;
        }
        in_use.push(unit);
    }
    let reported = database.replicas()[0].reason.clone();
    assert!(in_use.len() < 10, "{} were in use: {reported}", in_use.len());
}

/// Waits until a replica that no store uses has the world's database with its roles and rows.
async fn caught_up_by_itself(replica: &Replica, world: &World) {
    let url = world.replica_url(replica).unwrap();
    let database = world.connect_with_settings(&[("replica_urls", &url)]).await.unwrap();
    let serving = async || database.replicas()[0].serving;
    eventually("the other one is there", serving).await;
}
