//! Pages in autocommit: each is its own transaction, in one text that may also prepare its statement.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{Lost, World};
use sqlx::{Connection, PgConnection};

use super::{PATIENCE, PLACES, Scene, To, is_lost_before_commit, request};
use crate::support::sql::Sql;

/// Other requests of a scene are pending.
fn completed() -> RequestFilter {
    RequestFilter { status: Some(RequestStatus::Completed), ..Default::default() }
}

impl Scene {
    async fn page(&self) -> rylie_db::repositories::Result<u64> {
        let unit = self.store.tenant(&self.scope).read_only().autocommit().await?;
        Ok(unit.requests().list(completed(), PageRequest::default()).await?.total)
    }

    async fn token(&self) -> Token {
        let unit = self.store.identity().await.unwrap();
        let token = unit.sessions().begin(&self.user, self.now + chrono::TimeDelta::days(1)).await.unwrap();
        unit.commit().await.unwrap();
        token
    }

    async fn page_as(&self, token: &Token) -> rylie_db::repositories::Result<u64> {
        let list = async |unit: TenantAccess| unit.requests().list(completed(), PageRequest::default()).await;
        Ok(self.store.read_as(token, Origin::default(), list).await?.total)
    }

    async fn with_requests(world: &World, to: To) -> Self {
        let scene = Self::of(world, to).await;
        let unit = scene.store.tenant(&scene.scope).await.unwrap();
        for _ in 0..2 {
            let id = unit.requests().add(request("t")).await.unwrap().id;
            unit.requests().set_status(&id, RequestStatus::Completed).await.unwrap();
        }
        unit.commit().await.unwrap();
        scene
    }

    /// Returns the last text of each session of the store in this database, and the states.
    async fn sessions(&self) -> Vec<(String, String)> {
        let sql = "SELECT query, state FROM pg_stat_activity \
                   WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        sqlx::query_as(sql).fetch_all(&mut PgConnection::connect(&self.url).await.unwrap()).await.unwrap()
    }
}

/// Gives up on many of the reads, which all have the same answer.
async fn cancelled_reads_leave_nothing(scene: &Scene, read: impl AsyncFn() -> rylie_db::repositories::Result<u64>) {
    let (mut given_up, mut answered) = (0, 0);
    for round in 0..150_u64 {
        scene.proxy.delay_to_server(Duration::from_millis(round % 4));
        match tokio::time::timeout(Duration::from_millis(3), read()).await {
            Ok(total) => {
                assert_eq!(total.unwrap(), 2);
                answered += 1;
            }
            Err(_) => given_up += 1,
        }
    }
    scene.proxy.delay_to_server(Duration::ZERO);
    assert!(given_up > 10, "{given_up} gave up, {answered} were answered");

    scene.is_whole().await;
    for _ in 0..20 {
        assert_eq!(read().await.unwrap(), 2);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(Sql::connect(&scene.url).await.one(sql).await, "0");
}

async fn cancelled_pages_leave_nothing(to: To) {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, to).await;
    cancelled_reads_leave_nothing(&scene, async || scene.page().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_pages_leave_no_transaction_and_later_ones_are_right() {
    cancelled_pages_leave_nothing(To::Server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_pages_behind_a_pooler_leave_no_transaction_and_later_ones_are_right() {
    cancelled_pages_leave_nothing(To::Pooler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_while_idle_are_replaced() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    scene.is_whole().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let opened = scene.proxy.connections();
    scene.proxy.sever().await;

    assert_eq!(scene.page().await.unwrap(), 2);

    assert!(scene.proxy.connections() > opened, "no connection was replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_gone_is_a_lost_connection_in_time() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    scene.page().await.unwrap();
    scene.proxy.lose(Lost::Everything);

    let lost = tokio::time::timeout(PATIENCE, scene.page()).await.unwrap().unwrap_err();

    assert!(is_lost_before_commit(&lost), "{lost:?}");
    scene.proxy.lose_nothing();
    scene.is_whole().await;
    assert_eq!(scene.page().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_obeys_the_time_limit_of_its_unit() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    let mut locking = PgConnection::connect(&scene.url).await.unwrap();
    let mut lock = locking.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE \"Request\" IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();

    let reading =
        scene.store.tenant(&scene.scope).read_only().statement_timeout(Duration::from_millis(200)).autocommit();
    let unit = reading.await.unwrap();
    let late = unit.requests().list(completed(), PageRequest::default()).await;

    assert!(matches!(late, Err(Error::Timeout)), "{late:?}");
    lock.rollback().await.unwrap();
    scene.is_whole().await;
    assert_eq!(scene.page().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_assumes_the_role_in_its_text_and_is_prepared_once() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    let role = format!(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT set_config('role', 'rylie_tenant', true), set_config('rylie.tenant', E'{}'",
        scene.scope.tenant().as_str()
    );

    let mut texts = Vec::new();
    for _ in 0..3 {
        assert_eq!(scene.page().await.unwrap(), 2);
        texts.extend(scene.sessions().await.into_iter().map(|(text, _)| text).filter(|text| text.starts_with(&role)));
    }

    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].contains("; PREPARE rylie_"), "{}", texts[0]);
    assert!(texts[1..].iter().all(|text| text.contains("; EXECUTE rylie_") && !text.contains("PREPARE")), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_idle_for_a_second_has_no_prepared_statement_of_ours() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    assert_eq!(scene.page().await.unwrap(), 2);
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    assert_eq!(scene.page().await.unwrap(), 2);

    let sessions = scene.sessions().await;
    let prepared = sessions.iter().filter(|(text, _)| text.contains("PREPARE rylie_")).count();
    assert_eq!(prepared, 1, "{sessions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_survives_a_change_of_its_table() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    scene.is_whole().await;
    for _ in 0..3 {
        assert_eq!(scene.page().await.unwrap(), 2);
    }
    let deferred = async || {
        let unit = scene.store.tenant(&scene.scope).read_only().deferred().await.unwrap();
        unit.requests().list(completed(), PageRequest::default()).await.unwrap().total
    };
    assert_eq!(deferred().await, 2);

    // The result of the prepared statement changes its type, so the server refuses it.
    let mut sql = PgConnection::connect(&scene.url).await.unwrap();
    sqlx::raw_sql("ALTER TABLE \"Request\" ALTER COLUMN \"contentUrl\" TYPE varchar(4000)")
        .execute(&mut sql)
        .await
        .unwrap();

    assert_eq!(deferred().await, 2);
    for _ in 0..20 {
        assert_eq!(scene.page().await.unwrap(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stands_in_no_text_of_its_reads() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    let token = scene.token().await;

    let mut checks = 0;
    for _ in 0..3 {
        assert_eq!(scene.page_as(&token).await.unwrap(), 2);
        for (text, _) in scene.sessions().await {
            assert!(!text.contains(token.expose()), "{text}");
            checks += u32::from(text.contains("; SELECT public.rylie_hold_session("));
        }
    }
    assert!(checks >= 2, "{checks} texts check the session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_reads_of_a_token_leave_nothing_and_later_ones_are_right() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    let token = scene.token().await;
    cancelled_reads_leave_nothing(&scene, async || scene.page_as(&token).await).await;
}

/// The check of the session fails in the text that begins the transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_for_a_session_that_ended_costs_no_connection() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::with_requests(&world, To::Server).await;
    scene.is_whole().await;
    let opened = scene.proxy.connections();
    for _ in 0..2 * PLACES {
        let token = scene.token().await;
        assert_eq!(scene.page_as(&token).await.unwrap(), 2);
        Sql::connect(&scene.url).await.run("DELETE FROM \"Session\"").await;

        // This id cannot stand in a text, so the read begins a transaction.
        let find = async |unit: TenantAccess| unit.requests().find(&"it's".parse().unwrap()).await;
        let ended = scene.store.read_as(&token, Origin::default(), find).await;

        assert!(matches!(ended, Err(Error::NotSignedIn)), "{ended:?}");
    }
    scene.is_whole().await;
    assert_eq!(scene.proxy.connections(), opened);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(Sql::connect(&scene.url).await.one(sql).await, "0");
}
