//! Long operations, and a server that is lost during them.

use std::time::Duration;

use rylie_db::maintenance::{Engine, reindex};
use rylie_migration::{DeployProgress, Migrations, Options};
use rylie_testkit::{Cluster, DelayProxy, Lost, World};

use super::PATIENCE;
use crate::support::sql::Sql;

/// The interval of checks whether the server is still working.
const LOOK: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_deploy_ends_when_the_server_falls_silent_and_goes_on_later() {
    let cluster = Cluster::shared().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let proxy = DelayProxy::start(cluster.address()).await.unwrap();
    let options = || Options { look: LOOK, ..Options::default() };
    let mut migrations = Migrations::connect_with(&database.url_through(&proxy), options()).await.unwrap();

    let mut falls_silent = |progress: DeployProgress<'_>| {
        if matches!(progress, DeployProgress::Step { step: 3, .. }) {
            proxy.lose(Lost::Everything);
        }
    };
    let deploy = migrations.deploy(&mut falls_silent);
    tokio::time::timeout(PATIENCE, deploy).await.expect("the deploy hangs").unwrap_err();
    drop(migrations);
    proxy.lose_nothing();
    proxy.sever().await;

    // The lock of the lost session is released.
    let mut migrations = Migrations::connect_with(&database.url(), options()).await.unwrap();
    assert!(!migrations.deploy(&mut |_| ()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_care_of_an_engine_ends_when_the_server_falls_silent() {
    let world = World::postgres().await.unwrap();
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let engine = Engine::new(&world.url_through(&proxy).unwrap()).unwrap().looking_every(LOOK);
    let mut beside = Sql::connect(world.url()).await;
    // Makes the rebuild wait.
    beside.run("BEGIN; LOCK TABLE \"Agency\"").await;

    let work = tokio::spawn(async move { reindex(&engine, true).await });
    let waits =
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut looking = Sql::connect(world.url()).await;
    while looking.one(waits).await == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    proxy.lose(Lost::Everything);

    let ended = tokio::time::timeout(PATIENCE, work).await.expect("the care hangs").unwrap();
    assert!(std::error::Error::source(&ended.unwrap_err()).is_some());
}
