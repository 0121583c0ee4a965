//! A request that is added in one round trip, which is also its commit.

use std::time::Duration;

use rylie_db::entities::TaskType;
use rylie_db::prelude::*;
use rylie_testkit::{Lost, World};

use super::{PATIENCE, Scene, To, is_unknown, request};
use crate::support::sql::Sql;

impl Scene {
    async fn add(&self, title: &str) -> rylie_db::repositories::Result<RequestId> {
        let tasks = vec![NewTask::new("a", TaskType::Page), NewTask::new("b", TaskType::Page)];
        let adding = self.store.add_request(&self.scope, request(title), tasks).recorded().into_future();
        let made = tokio::time::timeout(PATIENCE, adding).await.unwrap()?;
        assert_eq!(made.user.map(|user| user.id), Some(self.user.clone()));
        Ok(made.request.id)
    }

    /// Prepares the statement on all connections, so that the next call sends it at once.
    async fn prepare(&self) {
        self.is_whole().await;
        let all = (0..super::PLACES).map(|_| self.add("prepared"));
        for added in futures_util::future::join_all(all).await {
            added.unwrap();
        }
    }

    /// Counts the requests with this title, their tasks and their records.
    async fn added(&self, title: &str) -> [String; 3] {
        let mut sql = Sql::connect(&self.url).await;
        let of = format!("FROM \"Request\" WHERE title = '{title}'");
        let requests = sql.one(&format!("SELECT count(*)::text {of}")).await;
        let tasks =
            sql.one(&format!("SELECT count(*)::text FROM \"Task\" WHERE \"requestId\" IN (SELECT id {of})")).await;
        let records = format!("SELECT count(*)::text FROM \"AuditLog\" WHERE \"resourceId\" IN (SELECT id {of})");
        [requests, tasks, sql.one(&records).await]
    }
}

fn once() -> [String; 3] {
    ["1", "2", "1"].map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_while_they_were_idle_lose_and_double_nothing() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        scene.is_whole().await;
        let title = format!("idle {to:?}");
        scene.proxy.sever().await;

        scene.add(&title).await.unwrap();

        assert_eq!(scene.added(&title).await, once());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_request_or_a_lost_answer_adds_it_once() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for lost in [Lost::ToServer, Lost::ToClient, Lost::Everything] {
        scene.prepare().await;
        let title = format!("{lost:?}");
        scene.proxy.lose(lost);

        let (added, ()) = tokio::join!(scene.add(&title), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            scene.proxy.lose_nothing();
        });

        added.unwrap();
        assert_eq!(scene.added(&title).await, once(), "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stays_away_leaves_the_outcome_unknown() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    for (lost, added) in [(Lost::ToServer, "0"), (Lost::ToClient, "1")] {
        scene.prepare().await;
        let title = format!("{lost:?} for long");
        scene.proxy.lose(lost);

        let error = scene.add(&title).await.unwrap_err();

        scene.proxy.lose_nothing();
        assert!(is_unknown(&error), "{lost:?}: {error:?}");
        assert_eq!(scene.added(&title).await[0], added, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_gives_up_leaves_a_whole_request_or_none() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.add("first").await.unwrap();
    for microseconds in (0..4_000).step_by(100) {
        let title = format!("after {microseconds}");
        let _ = tokio::time::timeout(Duration::from_micros(microseconds), scene.add(&title)).await;
    }
    scene.is_whole().await;

    let mut sql = Sql::connect(&scene.url).await;
    let parts = "SELECT count(*)::text FROM \"Request\" r WHERE title LIKE 'after %' \
                 AND (SELECT count(*) FROM \"Task\" t WHERE t.\"requestId\" = r.id) <> 2";
    assert_eq!(sql.one(parts).await, "0");
    scene.add("last").await.unwrap();
}
