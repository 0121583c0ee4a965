//! A lost replica costs no caller a unit, and serves again when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::{Error, Server};
use rylie_testkit::{DelayProxy, Lost, Replica, World};

use super::{REPLICA, Scene, add_request, caught_up, eventually, opens_on, replica, seen};

async fn list(unit: &dyn TenantUnit) -> Result<u64, Error> {
    Ok(unit.requests().list(RequestFilter::default(), PageRequest::default()).await?.total)
}

/// Loses the replica during a unit, checks that the caller continues on the primary, and restarts the replica.
async fn lose_and_return(lose: impl FnOnce(&mut Replica)) {
    let mut scene = Scene::with(&[]).await;
    let (store, scope) = (&*scene.store, &scene.scope);
    let (request, _) = add_request(store, scope).await;
    caught_up(store, scope).await;
    let under_way = store.tenant(scope).read_only().await.unwrap();
    assert_eq!((under_way.server(), list(&*under_way).await.unwrap()), (REPLICA, 1));

    lose(&mut scene.replica);

    let error = list(&*under_way).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost(_)) && error.is_retryable(), "{error:?}");
    for _ in 0..20 {
        let read = UnitOptions::read_only();
        assert_eq!(seen(store, scope, read, &request).await, (true, Server::Primary), "opening never fails");
    }
    assert!(!scene.database.replicas()[0].serving);
    let (written, _) = add_request(store, scope).await;

    scene.replica.start().await.unwrap();
    caught_up(store, scope).await;
    assert_eq!(seen(store, scope, UnitOptions::read_only(), &written).await, (true, REPLICA));
}

#[tokio::test]
async fn a_replica_that_crashes_is_left_and_taken_again() {
    lose_and_return(|replica| replica.kill().unwrap()).await;
}

#[tokio::test]
async fn a_replica_that_is_shut_down_is_left_and_taken_again() {
    lose_and_return(|replica| replica.stop().unwrap()).await;
}

#[tokio::test]
async fn a_store_opens_while_its_replica_is_away() {
    let mut replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let agency = world.agency().await.unwrap();
    replica.kill().unwrap();

    let database = world.connect_with_settings(&[]).await.unwrap();
    let store = database.store();
    assert_eq!(opens_on(&*store, &agency.scope(), UnitOptions::read_only()).await, Server::Primary);

    replica.start().await.unwrap();
    caught_up(&*store, &agency.scope()).await;
}

#[tokio::test]
async fn a_replica_that_answers_nothing_is_left_and_taken_again() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let proxy = DelayProxy::start(replica.address()).await.unwrap();
    let url = world.url_through(&proxy).unwrap();
    let database = world.connect_with_settings(&[("replica_urls", &url)]).await.unwrap();
    let (agency, store) = (world.agency().await.unwrap(), database.store());
    caught_up(&*store, &agency.scope()).await;

    proxy.delay_to_client(Duration::from_hours(1));
    for _ in 0..3 {
        assert_eq!(opens_on(&*store, &agency.scope(), UnitOptions::read_only()).await, Server::Primary);
    }
    let reported = async || !database.replicas()[0].serving;
    eventually("it is left", reported).await;

    // Traffic in transit is lost; new requests are answered.
    proxy.delay_to_client(Duration::ZERO);
    proxy.sever().await;
    caught_up(&*store, &agency.scope()).await;
}

#[tokio::test]
async fn a_unit_on_a_replica_that_falls_silent_goes_on_at_the_primary() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let proxy = DelayProxy::start(replica.address()).await.unwrap();
    let url = world.url_through(&proxy).unwrap();
    let limits = [("statement_timeout_seconds", "1"), ("network_timeout_seconds", "1"), ("replica_urls", url.as_str())];
    let database = world.connect_with_settings(&limits).await.unwrap();
    let (scope, store) = (world.agency().await.unwrap().scope(), database.store());
    caught_up(&*store, &scope).await;

    goes_on_at_the_primary(&*store, &scope, async || proxy.lose(Lost::ToClient)).await;
}

/// Eight sessions write and read while the replica stops, continues, crashes and restarts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_ever_misses_what_it_wrote() {
    let mut scene = Scene::with(&[]).await;
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let sessions: Vec<_> = (0..8_u64)
        .map(|number| {
            let (store, scope) = (Arc::clone(&scene.store), scene.scope.clone());
            let (done, served) = (Arc::clone(&done), Arc::clone(&served));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let (request, written) = add_request(&*store, &scope).await;
                    let wait = Duration::from_millis(number * 100);
                    let read = retry(Retry::default(), || async {
                        let unit = store.tenant(&scope).read_only().after(written).wait_for_replica(wait).await?;
                        Ok::<_, Error>((unit.requests().find(&request).await?, unit.server()))
                    });
                    let (found, place) = read.await.unwrap();
                    assert!(found.is_some(), "on the {place}");
                    served[usize::from(place == REPLICA)].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();

    let (store, scope) = (&*scene.store, &scene.scope);
    for _ in 0..2 {
        scene.replica.pause().await.unwrap();
        let (_, written) = add_request(store, scope).await;
        let passed = UnitOptions::read_only().after(written);
        assert_eq!(opens_on(store, scope, passed).await, Server::Primary);
        scene.replica.resume().await.unwrap();
        caught_up(store, scope).await;
        scene.replica.kill().unwrap();
        scene.replica.start().await.unwrap();
        caught_up(store, scope).await;
    }
    let both = async || served.iter().all(|served| served.load(Ordering::Relaxed) > 0);
    eventually("sessions were served by either", both).await;
    done.store(true, Ordering::Relaxed);
    for session in sessions {
        session.await.unwrap();
    }
}

/// `work` fails on the replica; the second attempt runs on the primary.
async fn goes_on_at_the_primary(store: &dyn Store, scope: &TenantScope, fail: impl AsyncFn()) {
    let attempts = AtomicU32::new(0);
    let served = retry(Retry::default(), || async {
        let unit = store.tenant(scope).read_only().await?;
        list(&*unit).await?;
        if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            assert_eq!(unit.server(), REPLICA);
            fail().await;
        }
        list(&*unit).await?;
        Ok::<_, Error>(unit.server())
    });
    assert_eq!(served.await.unwrap(), Server::Primary);
    assert_eq!(attempts.into_inner(), 2);
}

#[tokio::test]
async fn a_unit_whose_connection_is_ended_on_the_replica_goes_on_at_the_primary() {
    let scene = Scene::with(&[]).await;
    let (store, scope) = (&*scene.store, &scene.scope);

    goes_on_at_the_primary(store, scope, async || {
        let end = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
                   WHERE datname LIKE 'rylie_test_%' AND state = 'idle in transaction'";
        scene.replica.run(end).await.unwrap();
    })
    .await;
    caught_up(store, scope).await;
}

#[tokio::test]
async fn a_unit_in_the_way_of_the_replay_goes_on_at_the_primary() {
    let scene = Scene::with(&[]).await;
    let (store, scope) = (&*scene.store, &scene.scope);
    scene.replica.run("ALTER SYSTEM SET max_standby_streaming_delay = 0").await.unwrap();
    scene.replica.run("SELECT pg_reload_conf()").await.unwrap();

    goes_on_at_the_primary(store, scope, async || {
        // The primary locks what the unit has read, and so does the replica, which does not wait for the unit.
        let mut raw = crate::support::sql::Sql::connect(scene.world.url()).await;
        raw.run("BEGIN; LOCK TABLE \"Request\" IN ACCESS EXCLUSIVE MODE; SELECT pg_switch_wal(); COMMIT").await;
        let position = store.tenant(scope).await.unwrap().log_position().await.unwrap();
        let after = UnitOptions::read_only().after(position);
        let passed = async || opens_on(store, scope, after).await == REPLICA;
        eventually("the replay got past the unit", passed).await;
    })
    .await;

    scene.replica.run("ALTER SYSTEM RESET max_standby_streaming_delay").await.unwrap();
    scene.replica.run("SELECT pg_reload_conf()").await.unwrap();
}
