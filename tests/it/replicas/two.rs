//! Two replicas that serve at the same time.

use rylie_db::Database;
use rylie_db::prelude::*;
use rylie_db::repositories::Server;
use rylie_testkit::Replica;

use super::{FOR_EVER, Scene, add_request, eventually, opens_on, seen};

const FIRST: Server = Server::Replica(1);
const SECOND: Server = Server::Replica(2);

/// Starts a second replica next to the shared one, and a store that both serve.
async fn with_second(scene: &Scene) -> (Replica, Database) {
    let second = Replica::of(scene.replica.primary()).await.unwrap();
    let urls = [&scene.replica, &second].map(|replica| scene.world.replica_url(replica).unwrap()).join(",");
    let settings = [FOR_EVER, &[("replica_urls", urls.as_str())]].concat();
    let database = scene.world.connect_with_settings(&settings).await.unwrap();
    let both = async || database.replicas().iter().all(|replica| replica.serving);
    eventually("both serve", both).await;
    (second, database)
}

/// Opens this many units one after another, and returns their servers.
async fn servers<const UNITS: usize>(store: &dyn Store, scope: &TenantScope, options: UnitOptions) -> [Server; UNITS] {
    let mut servers = [Server::Primary; UNITS];
    for server in &mut servers {
        *server = opens_on(store, scope, options).await;
    }
    servers
}

fn take_turns(servers: &[Server]) -> bool {
    servers.windows(2).all(|two| two == [FIRST, SECOND] || two == [SECOND, FIRST])
}

#[tokio::test]
async fn units_take_turns_and_go_on_with_the_other_when_one_is_lost() {
    let scene = Scene::with(&[]).await;
    let (mut second, database) = with_second(&scene).await;
    let (store, scope, read) = (&*database.store(), &scene.scope, UnitOptions::read_only());
    let before: [_; 10] = servers(store, scope, read).await;
    assert!(take_turns(&before), "{before:?}");
    let under_way = [store.tenant(scope).read_only().await.unwrap(), store.tenant(scope).read_only().await.unwrap()];

    second.kill().unwrap();

    // Only the unit that detects the loss goes to the primary.
    let meanwhile: [_; 20] = servers(store, scope, read).await;
    let number_on = |server| meanwhile.iter().filter(|on| **on == server).count();
    assert!(number_on(Server::Primary) <= 1 && number_on(SECOND) == 0, "{meanwhile:?}");
    let status = database.replicas();
    assert!(status[0].serving && !status[1].serving, "{status:?}");
    for unit in under_way {
        let listed = unit.requests().list(RequestFilter::default(), PageRequest::default()).await;
        assert_eq!(listed.is_ok(), unit.server() == FIRST, "what is under way on the other is not disturbed");
    }

    second.start().await.unwrap();
    let back = async || database.replicas()[1].serving;
    eventually("it is back", back).await;
    let after: [_; 10] = servers(store, scope, read).await;
    assert!(take_turns(&after), "{after:?}");
}

#[tokio::test]
async fn what_was_written_is_read_from_the_one_that_has_it() {
    let scene = Scene::with(&[]).await;
    let (second, database) = with_second(&scene).await;
    let (store, scope) = (&*database.store(), &scene.scope);
    second.pause().await.unwrap();

    let (request, written) = add_request(store, scope).await;
    let (stale, after) = (UnitOptions::read_only(), UnitOptions::read_only().after(written));
    eventually("the first has it", async || opens_on(store, scope, after).await == FIRST).await;
    for _ in 0..10 {
        assert_eq!(seen(store, scope, after, &request).await, (true, FIRST));
    }
    let any: [_; 10] = servers(store, scope, stale).await;
    assert!(take_turns(&any), "who needs no position is served by both: {any:?}");

    scene.replica.pause().await.unwrap();
    let (newer, written) = add_request(store, scope).await;
    let newest = UnitOptions::read_only().after(written);
    assert_eq!(seen(store, scope, newest, &newer).await, (true, Server::Primary), "neither has it");
    assert_eq!(seen(store, scope, after, &request).await, (true, FIRST), "the first still has what was before");

    second.resume().await.unwrap();
    eventually("the second has it", async || opens_on(store, scope, newest).await == SECOND).await;
    for _ in 0..10 {
        assert_eq!(seen(store, scope, newest, &newer).await, (true, SECOND));
    }
}
