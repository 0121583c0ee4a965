//! Units that begin with their first statement: faults of that statement, and of the commit after it.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{OnCommit, World};
use sqlx::{Connection, PgConnection};

use super::{Scene, To, is_lost_before_commit, is_unknown, request};
use crate::support::sql::Sql;

const CHANGED: RequestStatus = RequestStatus::InProgress;
const LABEL: &str = "IN_PROGRESS";

async fn added(scene: &Scene) -> RequestId {
    let unit = scene.store.tenant(&scene.scope).await.unwrap();
    let id = unit.requests().add(request("t")).await.unwrap().id;
    unit.commit().await.unwrap();
    id
}

async fn status(scene: &Scene, id: &RequestId) -> String {
    Sql::connect(&scene.url).await.one(&format!("SELECT status::text FROM \"Request\" WHERE id = '{id}'")).await
}

async fn left_open(scene: &Scene) -> String {
    let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    Sql::connect(&scene.url).await.one(sql).await
}

async fn a_cancelled_first_statement_changes_nothing(to: To) {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, to).await;
    let id = added(&scene).await;
    let mut given_up = 0;
    for round in 0..150_u64 {
        scene.proxy.delay_to_server(Duration::from_millis(round % 5));
        let unit = scene.store.tenant(&scene.scope).deferred().await.unwrap();
        let changing = unit.requests().set_status(&id, CHANGED);
        given_up += u32::from(tokio::time::timeout(Duration::from_millis(3), changing).await.is_err());
        // Either way the unit does not commit.
        assert!(unit.requests().set_status(&id, CHANGED).await.is_ok() || given_up > 0);
    }
    scene.proxy.delay_to_server(Duration::ZERO);
    assert!(given_up > 30, "{given_up} callers gave up");

    scene.is_whole().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((status(&scene, &id).await.as_str(), left_open(&scene).await.as_str()), ("PENDING", "0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_first_statement_leaves_no_transaction_and_no_change() {
    a_cancelled_first_statement_changes_nothing(To::Server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_first_statement_behind_a_pooler_leaves_no_transaction_and_no_change() {
    a_cancelled_first_statement_changes_nothing(To::Pooler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_cancelled_first_statement_the_unit_is_broken() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let id = added(&scene).await;
    let unit = scene.store.tenant(&scene.scope).deferred().await.unwrap();
    scene.proxy.delay_to_server(Duration::from_millis(100));
    let changing = unit.requests().set_status(&id, CHANGED);
    assert!(tokio::time::timeout(Duration::from_millis(20), changing).await.is_err());
    scene.proxy.delay_to_server(Duration::ZERO);

    assert!(matches!(unit.requests().get(&id).await, Err(Error::UnitFailed)));
    assert!(matches!(unit.commit().await, Err(Error::UnitFailed)));
    assert_eq!(status(&scene, &id).await, "PENDING");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_are_replaced_by_the_first_statement() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let id = added(&scene).await;
    // One of its statements begins with the unit, the other after it.
    for title in [None, Some("a title of a user")] {
        scene.is_whole().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let opened = scene.proxy.connections();
        scene.proxy.sever().await;

        let unit = scene.store.tenant(&scene.scope).deferred().await.unwrap();
        match title {
            None => assert_eq!(unit.requests().set_status(&id, CHANGED).await.unwrap().status, CHANGED),
            Some(title) => drop(unit.requests().add(request(title)).await.unwrap()),
        }
        unit.commit().await.unwrap();

        assert!(scene.proxy.connections() > opened, "no connection was replaced");
        assert_eq!(status(&scene, &id).await, LABEL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_gone_is_a_lost_connection_in_time() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let id = added(&scene).await;
    scene.is_whole().await;
    scene.proxy.lose(rylie_testkit::Lost::Everything);

    let unit = scene.store.tenant(&scene.scope).deferred().await.unwrap();
    let lost = tokio::time::timeout(super::PATIENCE, unit.requests().set_status(&id, CHANGED)).await.unwrap();

    assert!(is_lost_before_commit(&lost.unwrap_err()));
    scene.proxy.lose_nothing();
    scene.is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_statement_that_fails_breaks_the_unit_and_frees_the_connection() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let id = added(&scene).await;
    let mut locking = PgConnection::connect(&scene.url).await.unwrap();
    let mut lock = locking.begin().await.unwrap();
    sqlx::query("SELECT FROM \"Request\" WHERE id = $1 FOR UPDATE")
        .bind(id.as_str())
        .execute(&mut *lock)
        .await
        .unwrap();

    let unit = scene.store.tenant(&scene.scope).statement_timeout(Duration::from_millis(200)).deferred().await.unwrap();
    assert!(matches!(unit.requests().set_status(&id, CHANGED).await, Err(Error::Timeout)));
    assert!(matches!(unit.requests().get(&id).await, Err(Error::UnitFailed)));
    assert!(matches!(unit.commit().await, Err(Error::UnitFailed)));
    lock.rollback().await.unwrap();

    scene.is_whole().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(left_open(&scene).await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_its_commit_is_an_unknown_outcome() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        let faults = [OnCommit::CutBefore, OnCommit::SwallowBefore, OnCommit::CutAnswer, OnCommit::SwallowAnswer];
        for (fault, expected) in faults.into_iter().zip(["PENDING", "PENDING", LABEL, LABEL]) {
            scene.is_whole().await;
            let id = added(&scene).await;
            let unit = scene.store.tenant(&scene.scope).deferred().await.unwrap();
            unit.requests().set_status(&id, CHANGED).await.unwrap();
            scene.proxy.on_commit(fault);
            let error = tokio::time::timeout(super::PATIENCE, unit.commit()).await.unwrap().unwrap_err();
            scene.proxy.on_commit(OnCommit::Pass);

            assert!(is_unknown(&error), "{to:?}, {fault:?}: {error:?}");
            assert_eq!(status(&scene, &id).await, expected, "{to:?}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_page_and_a_row_by_id_are_one_round_trip_behind_a_pooler_too() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Pooler).await;
    let id = added(&scene).await;
    for _ in 0..3 {
        // Background work of earlier units has ended.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = scene.proxy.round_trips();
        let unit = scene.store.tenant(&scene.scope).read_only().autocommit().await.unwrap();
        assert_eq!(unit.requests().get(&id).await.unwrap().id, id);
        assert_eq!(scene.proxy.round_trips() - before, 1);
        drop(unit);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = scene.proxy.round_trips();
        let unit = scene.store.tenant(&scene.scope).read_only().deferred().await.unwrap();
        let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
        assert_eq!((page.total, scene.proxy.round_trips() - before), (1, 1));
    }
}
