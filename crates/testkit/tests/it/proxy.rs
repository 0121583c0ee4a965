//! Tests delays and cut connections of a proxy.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use rylie_testkit::{Cluster, DelayProxy, PostgresDatabase};

use crate::support::{connect, eventually};

const DELAY: Duration = Duration::from_millis(150);

async fn behind_a_proxy() -> (PostgresDatabase, DelayProxy) {
    let cluster = Cluster::shared().await.unwrap();
    let proxy = DelayProxy::start(cluster.address()).await.unwrap();
    (cluster.empty_database().await.unwrap(), proxy)
}

async fn ask(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT 1").fetch_one(connection).await
}

async fn time_to_ask(connection: &mut PgConnection) -> Duration {
    let begun = Instant::now();
    ask(connection).await.unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn each_direction_is_delayed_by_its_own_time() {
    let (database, proxy) = behind_a_proxy().await;
    let mut connection = connect(&database.url_through(&proxy)).await;
    ask(&mut connection).await.unwrap(); // prepares the statement

    proxy.delay_to_server(DELAY);
    assert!(time_to_ask(&mut connection).await >= DELAY);

    proxy.delay_to_client(DELAY);
    assert!(time_to_ask(&mut connection).await >= 2 * DELAY);

    proxy.delay_to_server(Duration::ZERO);
    proxy.delay_to_client(Duration::ZERO);
    assert!(time_to_ask(&mut connection).await < DELAY);
}

#[tokio::test]
async fn a_large_answer_is_delayed_once_and_not_piece_by_piece() {
    let (database, proxy) = behind_a_proxy().await;
    let mut connection = connect(&database.url_through(&proxy)).await;
    proxy.delay_to_client(DELAY);

    let begun = Instant::now();
    let text: String =
        sqlx::query_scalar("SELECT repeat('x', 4000000)").persistent(false).fetch_one(&mut connection).await.unwrap();

    assert_eq!(text.len(), 4_000_000);
    assert!(begun.elapsed() < 10 * DELAY, "took {:?}", begun.elapsed());
}

#[tokio::test]
async fn severed_connections_fail_and_new_ones_work() {
    let (database, proxy) = behind_a_proxy().await;
    let url = database.url_through(&proxy);
    let mut connection = connect(&url).await;

    proxy.sever().await;

    ask(&mut connection).await.unwrap_err();
    assert_eq!(ask(&mut connect(&url).await).await.unwrap(), 1);
}

#[tokio::test]
async fn a_question_under_way_fails_when_it_is_severed() {
    let (database, proxy) = behind_a_proxy().await;
    let mut connection = connect(&database.url_through(&proxy)).await;
    proxy.delay_to_client(Duration::from_mins(1));

    let question = tokio::spawn(async move { ask(&mut connection).await });
    tokio::time::sleep(DELAY).await;
    proxy.sever().await;

    question.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn connections_and_bytes_are_counted() {
    let (database, proxy) = behind_a_proxy().await;
    let url = database.url_through(&proxy);
    let mut connection = connect(&url).await;
    connect(&url).await.close().await.unwrap();
    let before = (proxy.bytes_to_server(), proxy.bytes_to_client());

    ask(&mut connection).await.unwrap();

    assert_eq!(proxy.connections(), 2);
    assert!(proxy.bytes_to_server() > before.0);
    assert!(proxy.bytes_to_client() > before.1);
}

#[tokio::test]
async fn nobody_answers_when_the_proxy_is_gone() {
    let (database, proxy) = behind_a_proxy().await;
    let url = database.url_through(&proxy);
    let mut connection = connect(&url).await;

    drop(proxy);

    ask(&mut connection).await.unwrap_err();
    eventually("connecting fails", async || PgConnection::connect(&url).await.is_err()).await;
}
