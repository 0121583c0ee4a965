//! Units of work.

use std::task::Poll;
use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::Error;

use crate::support::sql::Sql;

use super::world;

fn new(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

#[tokio::test]
async fn a_unit_that_is_dropped_undoes_itself() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let request = unit.requests().add(new("t")).await.unwrap();
    drop(unit);

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.requests().find(&request.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_unit_with_writes_that_is_dropped_is_worth_a_warning() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let reported = Reported::default();
    let _listening = crate::support::telemetry::listen(reported.clone());

    let unit = agency.unit().await.unwrap();
    unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
    drop(unit);
    let unit = agency.unit().await.unwrap();
    unit.requests().add(new("kept")).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(reported.warnings(), 0);

    let unit = agency.unit().await.unwrap();
    unit.requests().add(new("lost")).await.unwrap();
    drop(unit);
    assert_eq!(reported.warnings(), 1);
}

/// Counts the warnings of units.
#[derive(Clone, Default)]
struct Reported(std::sync::Arc<std::sync::atomic::AtomicU32>);

impl Reported {
    fn warnings(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl tracing::Subscriber for Reported {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        *of.level() == tracing::Level::WARN && of.target().starts_with("rylie_tenancy")
    }
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_unit_that_only_reads_refuses_to_write() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = world.store().tenant(&agency.scope()).read_only().await.unwrap();

    assert!(matches!(unit.requests().add(new("t")).await, Err(Error::Invalid { .. })));
    assert!(matches!(unit.requests().remove(&request.id).await, Err(Error::Invalid { .. })));
    assert!(unit.requests().find(&request.id).await.unwrap().is_some());
}

#[tokio::test]
async fn options_that_a_unit_cannot_honour_are_refused() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope, at) = (world.store(), agency.scope(), std::panic::Location::caller());

    let writes_alone = UnitOptions { read_only: false, ..UnitOptions::autocommit() };
    assert!(matches!(store.open_tenant(&scope, writes_alone, at).await, Err(Error::Invalid { .. })));
    let writes_after = UnitOptions::default().after(LogPosition::default());
    assert!(matches!(store.open_tenant(&scope, writes_after, at).await, Err(Error::Invalid { .. })));
    let grant = Grant::job("test", "opens in autocommit").unwrap();
    assert!(matches!(store.open_platform(grant, UnitOptions::autocommit(), at).await, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn more_units_than_connections_wait_for_their_turn() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope) = (world.connect_again(2).await.unwrap().store(), agency.scope());
    let write = async || {
        let unit = store.tenant(&scope).await?;
        unit.requests().add(new("t")).await?;
        unit.commit().await
    };
    let held = [store.tenant(&scope).read_only().await.unwrap(), store.tenant(&scope).read_only().await.unwrap()];
    let mut writes = Box::pin(futures_util::future::join_all((0..40).map(|_| write())));
    let count = async || Sql::connect(world.url()).await.one(r#"SELECT CAST(count(*) AS text) FROM "Request""#).await;

    assert!(tokio::time::timeout(Duration::from_millis(100), &mut writes).await.is_err());
    assert_eq!(count().await, "0", "a unit opened while every connection was in use");
    drop(held);

    assert!(writes.await.iter().all(Result::is_ok));
    assert_eq!(count().await, "40");
}

#[tokio::test]
async fn a_pool_that_runs_dry_says_so() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let config = Config::builder().set("database_url", world.url()).unwrap();
    let config = config.set("max_connections", 1).unwrap().set("acquire_timeout_seconds", 1).unwrap();
    let database = Database::connect(config.build().unwrap()).await.unwrap();
    let line = line!() + 1;
    let held = database.store().tenant(&agency.scope()).read_only().await.unwrap();

    let refused = database.store().tenant(&agency.scope()).read_only().await.err().unwrap();
    let Error::PoolExhausted { size: 1, in_use: 1, waiting: 0, longest, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((longest[0].opened_at.file(), longest[0].opened_at.line()), (file!(), line));
    assert!(refused.to_string().contains(&format!("units.rs:{line} (")), "{refused}");

    drop(held);
    assert!(database.store().tenant(&agency.scope()).read_only().await.is_ok());
}

#[tokio::test]
async fn health_reports_the_engine_and_what_is_pending() {
    let world = world().await;
    let health = world.database().health().await.unwrap();

    assert!(health.is_ready() && health.connections > 0);
    assert!(world.url().starts_with(health.engine));
}

/// Cancels the caller at its waiting points: opening a unit, writing and committing.
#[tokio::test]
async fn a_cancelled_call_leaves_nothing_half_written() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (mut cancelled, mut finished) = ([0; 3], 0);
    for (fixture, cancelled) in cancelled.iter_mut().enumerate() {
        // A call may complete before the next poll, so a stage can be missed. Then the test retries.
        for attempt in 0..400 {
            if attempt >= 20 && *cancelled >= 3 {
                break;
            }
            let polls = if attempt < 20 { attempt } else { 0 };
            let doing = std::cell::Cell::new(0);
            let mut write = Box::pin(async {
                let unit = agency.unit().await.unwrap();
                doing.set(1);
                unit.requests().add_with_tasks(new("t"), vec![NewTask::new("a", TaskType::Page)]).await.unwrap();
                doing.set(2);
                unit.commit().await.unwrap();
            });
            let mut polled = 0;
            let ended = std::future::poll_fn(|context| {
                polled += u32::from(doing.get() == fixture);
                if polled > polls { Poll::Ready(false) } else { write.as_mut().poll(context).map(|()| true) }
            });
            if ended.await { finished += 1 } else { *cancelled += 1 }
        }
    }
    assert!(cancelled.iter().all(|times| *times > 0), "opening, writing, committing: {cancelled:?}");
    assert!(finished > 0, "nobody finished");

    // Both counts in one statement, and so in one snapshot: a commit may still be in progress.
    let both = r#"SELECT CAST((SELECT count(*) FROM "Request") - (SELECT count(*) FROM "Task") AS text)"#;
    let mut sql = Sql::connect(world.url()).await;
    assert_eq!(sql.one(both).await, "0");
    assert_ne!(sql.one(r#"SELECT CAST(count(*) AS text) FROM "Request""#).await, "0", "some finished");
}
