//! A closed store no longer connects to its replicas.

use std::time::Duration;

use rylie_db::prelude::StoreExt;
use rylie_testkit::DelayProxy;
use sqlx::{Connection, PgConnection};

use super::{Scene, eventually};

#[tokio::test]
async fn a_store_that_is_closed_in_the_middle_of_a_look_leaves_no_connection_open() {
    let scene = Scene::with(&[]).await;
    let proxy = DelayProxy::start(scene.replica.address()).await.unwrap();
    proxy.delay_to_client(Duration::from_millis(50));
    let url = format!("{}?application_name=closing", scene.world.url_through(&proxy).unwrap());
    let database = scene.world.connect_with_settings(&[("replica_urls", &url)]).await.unwrap();
    // One connection of the probe, one that checks the pool's settings, and the pool's first.
    eventually("a pool is being made", async || proxy.connections() == 3).await;

    // Another owner of the store remains.
    let store = database.store();
    database.close().await;

    let on_replica = scene.world.replica_url(&scene.replica).unwrap();
    let none = async || {
        let mut connection = PgConnection::connect(&on_replica).await.unwrap();
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closing'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap() == 0
    };
    eventually("no connection is left", none).await;
    assert!(store.tenant(&scene.scope).read_only().await.is_err(), "it serves nobody any more");
}
