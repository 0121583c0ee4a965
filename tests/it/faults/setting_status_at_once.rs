//! A status that is changed in one round trip, which is also its commit.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::Result;
use rylie_testkit::{Lost, World};

use super::{PATIENCE, PLACES, Scene, To, is_unknown, request};
use crate::support::sql::Sql;

impl Scene {
    async fn set_status(&self, id: &RequestId, status: RequestStatus) -> Result<RequestStatus> {
        let setting = self.store.set_request_status(&self.scope, id, status);
        Ok(tokio::time::timeout(PATIENCE, setting).await.unwrap()?.status)
    }

    async fn request_to_change(&self) -> RequestId {
        self.store.add_request(&self.scope, request("changing"), Vec::new()).await.unwrap().request.id
    }

    /// Prepares the statement on all connections, so that the next call sends it at once.
    async fn prepare_setting(&self) {
        self.is_whole().await;
        let other = self.request_to_change().await;
        let all = (0..PLACES).map(|_| self.set_status(&other, RequestStatus::Cancelled));
        for set in futures_util::future::join_all(all).await {
            set.unwrap();
        }
    }

    /// Completes a request. The first attempt is committed and its answer is lost; `between` runs before the second.
    async fn complete_twice(&self, between: impl AsyncFnOnce(&RequestId)) -> (RequestId, Result<RequestStatus>) {
        self.prepare_setting().await;
        let id = self.request_to_change().await;
        self.proxy.lose(Lost::ToClient);
        let (set, ()) = tokio::join!(self.set_status(&id, RequestStatus::Completed), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            between(&id).await;
            self.proxy.lose_nothing();
        });
        (id, set)
    }

    /// Returns the stored status, and the number of its records.
    async fn status_and_records(&self, id: &RequestId) -> (String, u64) {
        let mut sql = Sql::connect(&self.url).await;
        let status = sql.one(&format!("SELECT status::text FROM \"Request\" WHERE id = '{id}'")).await;
        let records = format!(
            "SELECT count(*)::text FROM \"AuditLog\" WHERE action = 'REQUEST_STATUS_CHANGED' AND \"resourceId\" = '{id}'"
        );
        (status, sql.one(&records).await.parse().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_while_they_were_idle_lose_and_double_no_change() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        scene.is_whole().await;
        let id = scene.request_to_change().await;
        scene.proxy.sever().await;

        scene.set_status(&id, RequestStatus::Completed).await.unwrap();

        assert_eq!(scene.status_and_records(&id).await, ("COMPLETED".to_owned(), 1), "{to:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_request_or_a_lost_answer_changes_and_records_it_once() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for lost in [Lost::ToServer, Lost::ToClient, Lost::Everything] {
        scene.prepare_setting().await;
        let id = scene.request_to_change().await;
        scene.proxy.lose(lost);

        let (set, ()) = tokio::join!(scene.set_status(&id, RequestStatus::Completed), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            scene.proxy.lose_nothing();
        });

        assert_eq!(set.unwrap(), RequestStatus::Completed);
        assert_eq!(scene.status_and_records(&id).await, ("COMPLETED".to_owned(), 1), "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stays_away_leaves_the_outcome_of_a_change_unknown() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for (lost, outcome) in [(Lost::ToServer, ("PENDING", 0)), (Lost::ToClient, ("COMPLETED", 1))] {
        scene.prepare_setting().await;
        let id = scene.request_to_change().await;
        scene.proxy.lose(lost);

        let error = scene.set_status(&id, RequestStatus::Completed).await.unwrap_err();

        scene.proxy.lose_nothing();
        assert!(is_unknown(&error), "{lost:?}: {error:?}");
        let (status, records) = scene.status_and_records(&id).await;
        assert_eq!((status.as_str(), records), outcome, "{lost:?}");
    }
}

/// The first attempt is committed, and another caller changes the status before the second attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_attempt_does_not_undo_a_later_change() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;

    let (id, first) = scene
        .complete_twice(async |id: &RequestId| {
            world.store().set_request_status(&scene.scope, id, RequestStatus::Cancelled).await.unwrap();
        })
        .await;

    assert_eq!(first.unwrap(), RequestStatus::Cancelled);
    assert_eq!(scene.status_and_records(&id).await, ("CANCELLED".to_owned(), 2));
}

/// The first attempt is committed, and the request is deleted before the second attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_request_that_is_gone_is_no_missing_one() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;

    let (id, first) = scene
        .complete_twice(async |id: &RequestId| {
            let unit = world.store().tenant(&scene.scope).await.unwrap();
            unit.requests().remove(id).await.unwrap();
            unit.commit().await.unwrap();
        })
        .await;

    let error = first.unwrap_err();
    assert!(is_unknown(&error), "{error:?}");
    assert_eq!(scene.status_and_records(&id).await, ("COMPLETED".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_gives_up_leaves_a_changed_status_with_its_record_or_neither() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for microseconds in (0..4_000).step_by(100) {
        let id = scene.request_to_change().await;
        let limit = Duration::from_micros(microseconds);
        let _ = tokio::time::timeout(limit, scene.set_status(&id, RequestStatus::Completed)).await;
        scene.is_whole().await;
        let (status, records) = scene.status_and_records(&id).await;
        assert_eq!(status == "COMPLETED", records == 1, "{microseconds}: {status}, {records} records");
    }
}
