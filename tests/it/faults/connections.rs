//! Connections between units on PostgreSQL: cached, idle, lost, and without a runtime.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{Cluster, DelayProxy, World};
use sqlx::{Connection, PgConnection, Row};

use crate::support::sql::deploy;

async fn through(world: &World, proxy: &DelayProxy, settings: &[(&str, &str)]) -> Database {
    let mut config = Config::builder().set("database_url", world.url_through(proxy).unwrap()).unwrap();
    for (name, value) in settings {
        config = config.set(name, value).unwrap();
    }
    Database::connect(config.build().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_connection_is_handed_on_without_a_question_to_the_server() {
    let world = World::postgres().await.unwrap();
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let database = through(&world, &proxy, &[("max_connections", "1")]).await;
    let (store, scope) = (database.store(), agency.scope());

    let (reads, before) = (200, proxy.round_trips());
    for _ in 0..reads {
        let unit = store.tenant(&scope).read_only().autocommit().await.unwrap();
        unit.requests().get(&request).await.unwrap();
    }
    let read = proxy.round_trips() - before;
    // The total includes the preparation of the first read, and one health check each second.
    assert!((reads..reads + reads / 2).contains(&read), "{read} round trips");
}

#[tokio::test]
async fn callers_are_served_in_turn_also_when_others_give_up() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let database = world.connect_again(2).await.unwrap();
    let (store, scope) = (database.store(), agency.scope());
    let mut blocking = PgConnection::connect(world.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE \"Request\"").execute(&mut blocking).await.unwrap();

    // Cancelled reads keep their places until their connections are free again.
    for _ in 0..2 {
        let unit = store.tenant(&scope).read_only().autocommit().await.unwrap();
        let read = unit.requests().get(&request);
        tokio::time::timeout(Duration::from_millis(100), read).await.unwrap_err();
    }
    let (store, scope, id) = (store.clone(), scope.clone(), request.clone());
    let waiting = tokio::spawn(async move {
        let unit = store.tenant(&scope).read_only().autocommit().await.unwrap();
        unit.requests().get(&id).await
    });
    sqlx::raw_sql("ROLLBACK").execute(&mut blocking).await.unwrap();

    assert_eq!(waiting.await.unwrap().unwrap().id, request);
}

#[tokio::test]
async fn a_server_that_is_gone_is_asked_for_once() {
    let world = World::postgres().await.unwrap();
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let database = through(&world, &proxy, &[("acquire_timeout_seconds", "1")]).await;
    let (store, scope) = (database.store(), agency.scope());
    drop(proxy);

    let asked = async {
        let unit = store.tenant(&scope).read_only().autocommit().await.unwrap();
        (unit.requests().get(&request).await.unwrap_err(), store.tenant(&scope).await.map(drop).unwrap_err())
    };
    // One health check takes two seconds; one for each possible connection would take twenty.
    let (read, begun) = tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap();

    assert!(matches!(read, Error::ConnectionLost(_)), "{read:?}");
    assert!(matches!(begun, Error::ConnectionLost(_)), "{begun:?}");
}

#[tokio::test]
async fn what_is_at_hand_is_closed_with_the_rest() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let separator = if world.url().contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}application_name=closing", world.url());
    let database =
        Database::connect(Config::builder().set("database_url", url).unwrap().build().unwrap()).await.unwrap();
    let unit = database.store().tenant(&agency.scope()).await.unwrap();
    unit.requests().add(NewRequest::new("t", RequestKind::Page)).await.unwrap();
    unit.commit().await.unwrap();
    let mut beside = PgConnection::connect(world.url()).await.unwrap();
    let count =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closing' AND datname = current_database()";
    let mut connections = async || -> i64 { sqlx::raw_sql(count).fetch_one(&mut beside).await.unwrap().get(0) };
    assert!(connections().await >= 1 && database.health().await.unwrap().idle_connections >= 1);

    database.clone().close().await;

    let gone = async {
        while connections().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("a connection is left");
    // No later attempt can succeed, so this is no lost connection.
    let late = database.store().tenant(&agency.scope()).await.map(drop);
    assert!(matches!(late, Err(Error::Invalid { what: "the database", .. })), "{late:?}");
}

/// A program may use the store first in one runtime, and drop it outside any runtime.
#[test]
fn a_store_outlives_the_runtime_in_which_it_was_used_first() {
    for sqlite in [false, true] {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (first, second) = (runtime(), runtime());
        let folder = tempfile::tempdir().unwrap();
        let (database, _postgres) = first.block_on(async {
            let postgres = Cluster::shared().await.unwrap().empty_database().await.unwrap();
            let file = format!("sqlite://{}?mode=rwc", folder.path().join("rylie.db").display());
            let url = if sqlite { file } else { postgres.url() };
            deploy(&url).await;
            let config = Config::builder().set("database_url", url).unwrap().build().unwrap();
            (Database::connect(config).await.unwrap(), postgres)
        });
        let work = async || database.store().identity().await.unwrap().commit().await.unwrap();
        first.block_on(work());
        drop(first);

        second.block_on(async {
            work().await;
            work().await;
            // Long enough for cached connections to return to the pool.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            work().await;
        });
        let unfinished = Box::pin(work());
        second.block_on(async { tokio::time::timeout(Duration::from_micros(1), unfinished).await.ok() });
        drop(second);
        drop(database);
    }
}
