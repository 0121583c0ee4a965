//! Units of work.

use rylie_db::prelude::*;
use rylie_db::repositories::Error;

use super::world;

fn new(title: &str) -> NewRequest {
    NewRequest { title: title.into(), kind: "page".into(), ..Default::default() }
}

#[tokio::test]
async fn a_unit_that_is_dropped_undoes_itself() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let request = unit.requests().add(new("t")).await.unwrap();
    drop(unit);

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.requests().find(request.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_unit_that_only_reads_refuses_to_write() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = world.store().tenant_read_only(&agency.scope()).await.unwrap();

    assert!(matches!(unit.requests().add(new("t")).await, Err(Error::Invalid { .. })));
    assert!(matches!(unit.requests().remove(request.id.clone()).await, Err(Error::Invalid { .. })));
    assert!(unit.requests().find(request.id).await.unwrap().is_some());
}

#[tokio::test]
async fn more_units_than_connections_wait_for_their_turn() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let waiting = (0..40).map(|_| agency.request());

    let made = futures_util::future::join_all(waiting).await;

    assert!(made.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_pool_that_runs_dry_says_so() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let config = Config::builder().set("database_url", world.url()).unwrap();
    let config = config.set("max_connections", 1).unwrap().set("acquire_timeout_seconds", 1).unwrap();
    let database = Database::connect(config.build().unwrap()).await.unwrap();
    let held = database.store().tenant_read_only(&agency.scope()).await.unwrap();

    let refused = database.store().tenant_read_only(&agency.scope()).await.err().unwrap();
    assert!(matches!(refused, Error::PoolExhausted { size: 1, .. }), "{refused:?}");

    drop(held);
    assert!(database.store().tenant_read_only(&agency.scope()).await.is_ok());
}

#[tokio::test]
async fn health_tells_the_engine_and_what_is_pending() {
    let world = world().await;
    let health = world.database().health().await.unwrap();

    assert!(health.is_ready() && health.connections > 0);
    assert_eq!(world.url().starts_with(health.engine), true);
}

#[tokio::test]
async fn a_cancelled_call_leaves_nothing_half_written() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    for microseconds in (0..2_000).step_by(100) {
        let write = async {
            let unit = agency.unit().await.unwrap();
            unit.requests().add_with_tasks(new("t"), vec![NewTask::new("a", TaskType::Page)]).await.unwrap();
            unit.commit().await.unwrap();
        };
        let _ = tokio::time::timeout(std::time::Duration::from_micros(microseconds), write).await;
    }

    let unit = agency.unit().await.unwrap();
    let requests = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total;
    let tasks = unit.tasks().list(TaskFilter::default(), PageRequest::default()).await.unwrap().total;
    assert_eq!(requests, tasks);
}
