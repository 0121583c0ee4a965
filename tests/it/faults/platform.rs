//! Units across tenants, which record their opening, commit that and begin in one text.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;
use rylie_testkit::{Lost, World};
use sqlx::{Connection, PgConnection};

use super::{PATIENCE, Scene, To, is_lost_before_commit, is_unknown};
use crate::support::sql::Sql;

impl Scene {
    /// Opens a unit for this reason, and reads in it.
    async fn read_all(&self, reason: &str) -> rylie_db::repositories::Result<()> {
        let opening = self.store.platform(Grant::job("test", reason)?);
        let unit = tokio::time::timeout(PATIENCE, opening).await.unwrap()?;
        unit.agencies().list(PageRequest::default()).await.map(drop)
    }

    async fn records_of(&self, reason: &str) -> String {
        let reason = reason.replace('\'', "''");
        let sql = format!("SELECT count(*)::text FROM \"AuditLog\" WHERE details->>'reason' = '{reason}'");
        Sql::connect(&self.url).await.one(&sql).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_while_they_were_idle_record_an_opening_once() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        scene.is_whole().await;
        scene.proxy.sever().await;

        scene.read_all(&format!("severed {to:?}")).await.unwrap();

        assert_eq!(scene.records_of(&format!("severed {to:?}")).await, "1", "{to:?}");
    }
}

/// A lock that others hold for longer than the network may be silent, and shorter than a statement may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_waits_for_a_lock_is_awaited_as_a_statement_is() {
    let world = World::postgres().await.unwrap();
    for to in [To::Server, To::Pooler] {
        let scene = Scene::of(&world, to).await;
        scene.is_whole().await;
        let (locked, opened) = (format!("locked {to:?}"), scene.proxy.connections());
        let mut blocking = PgConnection::connect(&scene.url).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE \"AuditLog\" IN SHARE MODE").execute(&mut blocking).await.unwrap();

        let (read, ()) = tokio::join!(scene.read_all(&locked), async {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut blocking).await.unwrap();
        });

        read.unwrap();
        assert_eq!(scene.records_of(&locked).await, "1", "{to:?}");
        assert_eq!(scene.proxy.connections(), opened, "{to:?}: a connection was replaced");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_leaves_the_opening_unknown_and_recorded_once() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    scene.is_whole().await;
    let mut blocking = PgConnection::connect(&scene.url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE \"AuditLog\" IN SHARE MODE").execute(&mut blocking).await.unwrap();

    let (read, ()) = tokio::join!(scene.read_all("lost"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        scene.proxy.lose(Lost::ToClient);
        sqlx::raw_sql("ROLLBACK").execute(&mut blocking).await.unwrap();
    });

    let error = read.unwrap_err();
    assert!(is_unknown(&error), "{error:?}");
    scene.proxy.lose_nothing();
    scene.is_whole().await;
    assert_eq!(scene.records_of("lost").await, "1");
}

/// A server that became read-only refuses the record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_is_left_at_once() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let mut sql = Sql::connect(&scene.url).await;
    scene.is_whole().await;
    sql.run("CREATE FUNCTION raising() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '25006'; END $$; \
         CREATE TRIGGER raising BEFORE INSERT ON \"AuditLog\" FOR EACH ROW WHEN (NEW.details->>'reason' = 'refused') EXECUTE FUNCTION raising()").await;
    let opened = scene.proxy.connections();

    let error = scene.read_all("refused").await.unwrap_err();

    assert!(is_lost_before_commit(&error), "{error:?}");
    assert!(scene.proxy.connections() <= opened + 1, "it tried more than one connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_opening_leaves_no_transaction() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    let mut given_up = 0;
    for round in 0..100_u64 {
        scene.proxy.delay_to_server(Duration::from_millis(round % 5));
        let opening = scene.store.platform(Grant::job("test", "cancelled").unwrap());
        given_up += u32::from(tokio::time::timeout(Duration::from_millis(3), opening).await.is_err());
    }
    scene.proxy.delay_to_server(Duration::ZERO);
    assert!(given_up > 20, "{given_up} callers gave up");

    scene.is_whole().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let open = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(Sql::connect(&scene.url).await.one(open).await, "0");
}

/// The reason and the caller stand in a text of several statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_reason_or_caller_is_recorded_as_it_is_under_any_setting_of_the_login() {
    let world = World::postgres().await.unwrap();
    for setting in ["standard_conforming_strings = on", "standard_conforming_strings = off", "backslash_quote = off"] {
        let scene = Scene::of(&world, To::Server).await;
        let mut sql = Sql::connect(&scene.url).await;
        sql.run(&format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$"))
            .await;
        scene.proxy.sever().await;
        let root = world.user().role(UserRole::SuperAdmin).build().await.unwrap();
        let hostile = r#"it's \'; COMMIT; DROP TABLE "AuditLog"; -- \\ $1 $$ ä"#;
        let reason = format!("{hostile} {setting}");
        let origin = Origin { user_agent: Some(hostile.to_owned()), ..Origin::default() };
        let grant = Grant::of(&root.signed_in, &reason, origin).unwrap();

        drop(scene.store.platform(grant).await.unwrap());

        let unit = world.platform().await.unwrap();
        let records = unit.audit().list(AuditFilter::default(), PageRequest::new(100, 0)).await.unwrap();
        let record = records.items.iter().find(|record| record.user_id == root.user.id.as_str()).unwrap();
        assert_eq!(record.details.as_ref().unwrap()["reason"], reason);
        assert_eq!(record.user_agent.as_deref(), Some(hostile));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_that_cannot_be_recorded_opens_no_unit() {
    let world = World::postgres().await.unwrap();
    let scene = Scene::of(&world, To::Server).await;
    Sql::connect(&scene.url).await.run("REVOKE INSERT ON \"AuditLog\" FROM rylie_platform").await;

    scene.read_all("no right").await.unwrap_err();

    assert_eq!(scene.records_of("no right").await, "0");
    Sql::connect(&scene.url).await.run("GRANT INSERT ON \"AuditLog\" TO rylie_platform").await;
    scene.read_all("with the right").await.unwrap();
}
