//! The units that a replica serves, and read-your-writes.

use std::sync::Arc;
use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, Server};
use rylie_testkit::World;

use super::{FOR_EVER, REPLICA, Scene, add_request, caught_up, eventually, opens_on, seen};

#[tokio::test]
async fn reads_go_to_the_replica_and_whatever_may_write_to_the_primary() {
    let scene = Scene::with(&[]).await;
    let (store, scope) = (&*scene.store, &scene.scope);

    let unit = store.tenant(scope).read_only().await.unwrap();
    assert_eq!(unit.server(), REPLICA);
    let new = NewRequest::new("t", RequestKind::Page);
    let refused = unit.requests().add(new).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid { what: "a write", .. }), "{refused:?}");
    drop(unit);

    assert_eq!(store.tenant(scope).await.unwrap().server(), Server::Primary);
    assert_eq!(store.identity().await.unwrap().server(), Server::Primary);
    assert_eq!(store.operations().await.unwrap().server(), Server::Primary);
    assert_eq!(opens_on(store, scope, UnitOptions::read_only().on_primary()).await, Server::Primary);
    let status = scene.database.replicas();
    assert!(status[0].serving && status[0].reason.is_empty() && status[0].behind.is_some(), "{status:?}");
}

#[tokio::test]
async fn what_was_written_is_read_whichever_server_serves() {
    let scene = Scene::with(FOR_EVER).await;
    let (store, scope) = (&*scene.store, &scene.scope);
    scene.replica.pause().await.unwrap();

    let (request, written) = add_request(store, scope).await;
    let session: LogPosition = written.to_string().parse().unwrap();
    let (stale, after) = (UnitOptions::read_only(), UnitOptions::read_only().after(session));
    assert_eq!(seen(store, scope, stale, &request).await, (false, REPLICA), "the lag is real");
    assert_eq!(seen(store, scope, after, &request).await, (true, Server::Primary));

    scene.replica.resume().await.unwrap();
    eventually("the replica has it", async || opens_on(store, scope, after).await == REPLICA).await;
    assert_eq!(seen(store, scope, after, &request).await, (true, REPLICA));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_is_served_by_the_replica_once_it_has_come_that_far() {
    let scene = Scene::with(FOR_EVER).await;
    let (store, scope) = (&*scene.store, &scene.scope);
    scene.replica.pause().await.unwrap();
    let (request, written) = add_request(store, scope).await;
    let after = UnitOptions::read_only().after(written);

    let short = after.wait_for_replica(Duration::from_millis(20));
    assert_eq!(seen(store, scope, short, &request).await, (true, Server::Primary), "the wait is bounded");

    let long = after.wait_for_replica(Duration::from_mins(1));
    let (waits, whose) = (Arc::clone(&scene.store), scope.clone());
    let waiting = tokio::spawn(async move { seen(&*waits, &whose, long, &request).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    scene.replica.resume().await.unwrap();
    assert_eq!(waiting.await.unwrap(), (true, REPLICA));
}

/// With `synchronous_commit` on, the position is that of the flushed log.
#[tokio::test]
async fn a_commit_that_waits_for_the_disk_is_read_as_well() {
    let scene = Scene::with(&[]).await;
    let mut raw = crate::support::sql::Sql::connect(scene.world.url()).await;
    raw.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$")
        .await;
    let database = scene.world.connect_with_settings(FOR_EVER).await.unwrap();
    let (store, scope) = (&*database.store(), &scene.scope);
    caught_up(store, scope).await;

    for _ in 0..20 {
        let (request, written) = add_request(store, scope).await;
        let after = UnitOptions::read_only().after(written).wait_for_replica(Duration::from_mins(1));
        assert_eq!(seen(store, scope, after, &request).await, (true, REPLICA));
    }
}

#[tokio::test]
async fn a_session_that_keeps_what_it_saw_never_goes_back() {
    let scene = Scene::with(FOR_EVER).await;
    let (store, scope) = (&*scene.store, &scene.scope);
    scene.replica.pause().await.unwrap();
    add_request(store, scope).await;

    let on_replica = store.tenant(scope).read_only().await.unwrap();
    assert_eq!(on_replica.server(), REPLICA);
    let older = on_replica.log_position().await.unwrap();
    drop(on_replica);
    assert_eq!(opens_on(store, scope, UnitOptions::read_only().after(older)).await, REPLICA);

    let newer = store.tenant(scope).await.unwrap().log_position().await.unwrap();
    assert!(newer > older);
    let session = UnitOptions::read_only().after(older.max(newer));
    assert_eq!(opens_on(store, scope, session).await, Server::Primary, "what was seen there is not unseen here");
}

#[tokio::test]
async fn reads_in_autocommit_go_to_the_replica_in_one_transaction() {
    let scene = Scene::with(FOR_EVER).await;
    let (store, scope, alone) = (&*scene.store, &scene.scope, UnitOptions::autocommit());
    let (request, written) = add_request(store, scope).await;
    eventually("the replica has it", async || opens_on(store, scope, alone.after(written)).await == REPLICA).await;
    let unit = store.tenant(scope).read_only().autocommit().await.unwrap();
    let elsewhere = store.tenant(scope).read_only().autocommit().on_primary().await.unwrap();
    assert_eq!((unit.server(), elsewhere.server()), (REPLICA, Server::Primary));
    let status = async |unit: &dyn TenantUnit| unit.requests().get(&request).await.unwrap().status;
    let before = (status(&*unit).await, status(&*elsewhere).await);

    let change = store.tenant(scope).await.unwrap();
    change.requests().set_status(&request, RequestStatus::InProgress).await.unwrap();
    let changed = alone.after(change.commit_with_position().await.unwrap());
    eventually("the replica has that", async || opens_on(store, scope, changed).await == REPLICA).await;

    assert_eq!(status(&*unit).await, before.0, "a transaction, which has one state");
    assert_ne!(status(&*elsewhere).await, before.1, "statements by themselves, which see what is new");
    scene.replica.pause().await.unwrap();
    let (newer, written) = add_request(store, scope).await;
    assert_eq!(seen(store, scope, alone, &newer).await, (false, REPLICA));
    assert_eq!(seen(store, scope, alone.after(written), &newer).await, (true, Server::Primary));
}

#[tokio::test]
async fn a_unit_across_tenants_is_recorded_on_the_primary_and_reads_from_the_replica() {
    let scene = Scene::with(&[]).await;
    let store = &*scene.store;
    let grant = || Grant::job("report", "counts what there is").unwrap();

    let unit = store.platform(grant()).read_only().await.unwrap();
    assert_eq!(unit.server(), REPLICA);
    assert!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.is_ok());
    drop(unit);

    let unit = scene.world.platform().await.unwrap();
    let records = unit.audit().list(AuditFilter::default(), PageRequest::default()).await.unwrap().items;
    let recorded = records.iter().filter(|record| record.user_id.contains("report")).count();
    assert_eq!(recorded, 1, "{records:?}");
    assert_eq!(store.platform(grant()).await.unwrap().server(), Server::Primary);
}

#[tokio::test]
async fn what_is_refused_on_the_replica_is_recorded_on_the_primary() {
    let scene = Scene::with(&[]).await;
    let agency = scene.world.agency().await.unwrap();
    let (member, request) = (agency.user().await.unwrap(), agency.request().await.unwrap());
    caught_up(&*scene.store, &member.scope()).await;

    let unit = scene.store.tenant(&member.scope()).read_only().await.unwrap();
    assert_eq!(unit.server(), REPLICA);
    let refused = unit.requests().purge(&request.id).await.unwrap_err();
    assert!(matches!(refused, Error::Forbidden { .. }), "{refused:?}");
    unit.commit().await.unwrap();

    let records = agency.unit().await.unwrap().audit().list(AuditFilter::default(), PageRequest::default()).await;
    let refused = records.unwrap().items.into_iter().filter(|record| record.action == "ACCESS_REFUSED").count();
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn a_unit_that_wrote_nothing_has_nothing_to_be_waited_for() {
    for world in [World::postgres().await.unwrap(), World::sqlite().await.unwrap()] {
        let agency = world.agency().await.unwrap();
        let unit = agency.unit().await.unwrap();
        unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
        assert_eq!(unit.commit_with_position().await.unwrap(), LogPosition::default());

        let (_, written) = add_request(&*world.store(), &agency.scope()).await;
        assert_eq!(written > LogPosition::default(), world.is_postgres());
        let (_, later) = add_request(&*world.store(), &agency.scope()).await;
        assert_eq!(later > written, world.is_postgres());
    }
}
