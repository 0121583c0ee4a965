//! Every call of every repository, of units and of the loader, dropped at each of its awaits. After each cut nothing is
//! half written, and the only connection serves the next caller.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rylie_db::Database;
use rylie_db::entities::Request;
use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{Cluster, DelayProxy, World};

use super::calls::{Call, Kind, Rows, calls, methods_of_every_repository};
use crate::support::picture::Picture;
use crate::support::rows::is_sqlite;
use crate::support::sql::Sql;

/// A call that waits more often than this does not end.
const MOST_AWAITS: u32 = 500;

/// Computes without waiting for a database or the network, so that there is no await to cut.
const NEVER_WAIT: [&str; 2] = ["TenantTransfer::seal_file", "TenantTransfer::is_sealed_here"];

const ATTEMPTS: u32 = 10;

/// Methods that are not called: the method, and the reason.
const NOT_CALLED: [(&str, &str); 2] = [
    ("TenantTransfer::seed_row", "it needs a service's own table, and the database of these tests has none"),
    ("TenantTransfer::user_columns", "it asks the database only about a service's own table"),
];

/// Polls a future until it is done or has waited this often. Returns `None` if it was cut.
async fn cut<F: Future>(waits: u32, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut waited = 0;
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if waited + 1 == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// What lies between the store and its server.
#[derive(Clone, Copy)]
enum Network {
    Local,
    Delayed,
    DelayedToPooler,
}

/// A database with one connection, and rows for every call.
struct Scene {
    world: World,
    database: Database,
    store: Arc<dyn Store>,
    rows: Rows,
    picture: Picture,
    _proxy: Option<DelayProxy>,
}

async fn delayed(server: impl Into<String>) -> DelayProxy {
    let proxy = DelayProxy::start(server).await.unwrap();
    proxy.delay_to_client(Duration::from_millis(1));
    proxy
}

impl Scene {
    async fn of(world: World, network: Network) -> Self {
        let rows = Rows::fill(&world).await;
        // Through a proxy that delays each answer, so that no answer is there before the first poll.
        let cluster = Cluster::shared().await.unwrap();
        let proxy = match network {
            Network::Local => None,
            Network::Delayed => Some(delayed(cluster.address()).await),
            Network::DelayedToPooler => Some(delayed(cluster.pooler_address().await.unwrap()).await),
        };
        let url = proxy.as_ref().and_then(|proxy| world.url_through(proxy));
        let mut settings = vec![("max_connections", "1")];
        settings.extend(url.as_deref().map(|url| ("database_url", url)));
        let database = world.connect_with_settings(&settings).await.unwrap();
        let picture = Picture::of(world.url()).await;
        Self { store: database.store(), database, rows, picture, world, _proxy: proxy }
    }

    /// Cuts the call at each of its awaits, twice: the unit is dropped, and the unit is committed. Returns the number of
    /// awaits.
    async fn cut_everywhere(&mut self, call: &Call) -> u32 {
        for waits in 1..=MOST_AWAITS {
            for commits in [false, true] {
                let unit = call.kind.open(&*self.store, &self.rows).await.unwrap();
                let before = self.picture.take().await;
                let done = cut(waits, (call.run)(&unit, &self.rows)).await;
                let whole = done.is_some();
                if let Some(done) = done {
                    done.unwrap_or_else(|error| panic!("{}: {error:?}", call.name()));
                    drop(unit);
                } else if commits {
                    let committed = unit.commit().await;
                    let refused = matches!(committed, Err(Error::UnitFailed));
                    assert!(refused || committed.is_ok(), "{} at await {waits}: {committed:?}", call.name());
                } else {
                    drop(unit);
                }
                assert!(before == self.picture.take().await, "{} at await {waits} is half written", call.name());
                if whole {
                    return waits - 1;
                }
            }
        }
        panic!("{} does not end", call.name());
    }

    /// Counts connections that are idle in a transaction.
    async fn left_open(&self) -> String {
        let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'";
        Sql::connect(self.world.url()).await.one(sql).await
    }

    /// The connection serves a unit of each kind, and nothing of the cut ones is left on it.
    async fn is_whole(&mut self) {
        for kind in [Kind::Tenant, Kind::Identity, Kind::Platform, Kind::Operations] {
            kind.open(&*self.store, &self.rows).await.unwrap().commit().await.unwrap();
        }
        let unit = self.store.tenant(&self.rows.scope).await.unwrap();
        let title = "written after the cuts";
        let added = unit.requests().add(NewRequest::new(title, RequestKind::Page)).await.unwrap();
        unit.commit().await.unwrap();
        let mut sql = Sql::connect(self.world.url()).await;
        let kept = sql.one(&format!("SELECT title FROM \"Request\" WHERE id = '{}'", added.id)).await;
        assert_eq!(kept, title, "an acknowledged write is visible to all");
        if !is_sqlite(&self.world) {
            assert_eq!(self.left_open().await, "0");
        }
        let status = self.database.health().await.unwrap();
        assert!(status.is_ready());
    }
}

async fn every_call_may_be_dropped_at_every_await(world: World, network: Network) {
    let mut scene = Scene::of(world, network).await;
    let mut awaits = BTreeMap::new();
    for call in calls() {
        let mut cuts = 0;
        // On a busy machine an answer may be there before the first poll.
        for _ in 0..ATTEMPTS {
            cuts = scene.cut_everywhere(&call).await;
            if cuts > 0 || NEVER_WAIT.contains(&&*call.name()) {
                break;
            }
        }
        awaits.insert(call.name(), cuts);
    }
    scene.is_whole().await;
    println!("{} cut points in {} calls", awaits.values().sum::<u32>(), awaits.len());
    let never: Vec<_> = awaits.iter().filter(|(_, awaits)| **awaits == 0).map(|(name, _)| name.as_str()).collect();
    assert!(never.iter().all(|name| NEVER_WAIT.contains(name) || is_sqlite(&scene.world)), "{never:?}");
    // SQLite's thread often answers before the first poll, more so on a busy machine.
    let least = if is_sqlite(&scene.world) { 20 } else { 100 };
    assert!(awaits.values().sum::<u32>() > least, "{awaits:?}");
}

#[tokio::test]
async fn every_call_of_every_repository_may_be_dropped_at_every_await_on_sqlite() {
    every_call_may_be_dropped_at_every_await(World::sqlite().await.unwrap(), Network::Local).await;
}

#[tokio::test]
async fn every_call_of_every_repository_may_be_dropped_at_every_await_on_postgres() {
    every_call_may_be_dropped_at_every_await(World::postgres().await.unwrap(), Network::Delayed).await;
}

#[tokio::test]
async fn every_call_of_every_repository_may_be_dropped_at_every_await_behind_a_pooler() {
    every_call_may_be_dropped_at_every_await(World::postgres_behind_pooler().await.unwrap(), Network::DelayedToPooler)
        .await;
}

#[test]
fn the_list_of_calls_contains_every_method_of_every_repository() {
    let mut listed: BTreeSet<String> = calls().iter().map(Call::name).collect();
    for (method, _) in NOT_CALLED {
        assert!(listed.insert(method.to_owned()), "{method} is called");
    }
    let all = methods_of_every_repository();

    let forgotten: Vec<_> = all.difference(&listed).collect();
    let invented: Vec<_> = listed.difference(&all).collect();
    assert!(forgotten.is_empty() && invented.is_empty(), "forgotten: {forgotten:?}, invented: {invented:?}");
    assert!(all.len() > 140, "{}", all.len());
}

/// The steps of a unit itself, which are no calls of a repository.
async fn every_step_of_a_unit_may_be_dropped_at_every_await(world: World, network: Network) {
    let mut scene = Scene::of(world, network).await;
    let mut cuts = 0;
    for kind in [Kind::Tenant, Kind::Identity, Kind::Platform, Kind::Operations] {
        for waits in 1..=MOST_AWAITS {
            if cut(waits, kind.open(&*scene.store, &scene.rows)).await.is_some() {
                cuts += waits - 1;
                break;
            }
        }
    }
    let openings = cuts;
    let title = |waits: u32, step: &str| format!("{step} {waits}");
    for step in ["commit", "commit_with_position"] {
        for waits in 1..=MOST_AWAITS {
            let (unit, before) = (scene.store.tenant(&scene.rows.scope).await.unwrap(), scene.picture.take().await);
            let new = NewRequest::new(title(waits, step), RequestKind::Page);
            unit.requests().add_with_tasks(new, vec![NewTask::new("t", TaskType::Page)]).await.unwrap();
            let ended = async {
                if step == "commit" { unit.commit().await } else { unit.commit_with_position().await.map(drop) }
            };
            let done = cut(waits, ended).await;
            // The next unit waits for the end of this one.
            drop(scene.store.tenant(&scene.rows.scope).await.unwrap());
            if done.is_some() {
                assert!(before != scene.picture.take().await);
                cuts += waits - 1;
                break;
            }
            let mut sql = Sql::connect(scene.world.url()).await;
            let halves = format!(
                "SELECT r.id FROM \"Request\" r FULL JOIN \"Task\" t ON t.\"requestId\" = r.id \
                 WHERE r.title = '{}' AND (t.id IS NULL OR r.id IS NULL)",
                title(waits, step)
            );
            assert_eq!(sql.all(&halves).await, Vec::<String>::new(), "{step} at await {waits} is half written");
        }
    }
    for step in ["savepoint", "keep", "undo"] {
        for waits in 1..=MOST_AWAITS {
            let (unit, before) = (scene.store.tenant(&scene.rows.scope).await.unwrap(), scene.picture.take().await);
            let done = cut(waits, within(&*unit, step)).await;
            if let Some(done) = done {
                done.unwrap();
                cuts += waits - 1;
                break;
            }
            let committed = unit.commit().await;
            let after = scene.picture.take().await;
            assert!(committed.is_ok() || matches!(committed, Err(Error::UnitFailed)), "{step}: {committed:?}");
            assert!(before == after || committed.is_ok() && step == "keep", "{step} at await {waits} is half written");
        }
    }
    scene.is_whole().await;
    println!("{cuts} cut points, {openings} of them in openings");
    assert!(openings > 0 && cuts > openings);
}

async fn within(unit: &dyn TenantUnit, step: &str) -> Result<(), Error> {
    let part = unit.savepoint().await?;
    match step {
        "savepoint" => Ok(()),
        "keep" => {
            unit.requests().add(NewRequest::new("in a part", RequestKind::Page)).await?;
            part.keep().await
        }
        _ => {
            unit.requests().add(NewRequest::new("in a part", RequestKind::Page)).await?;
            part.undo().await
        }
    }
}

#[tokio::test]
async fn opening_ending_and_savepoints_may_be_dropped_at_every_await_on_sqlite() {
    every_step_of_a_unit_may_be_dropped_at_every_await(World::sqlite().await.unwrap(), Network::Local).await;
}

#[tokio::test]
async fn opening_ending_and_savepoints_may_be_dropped_at_every_await_on_postgres() {
    every_step_of_a_unit_may_be_dropped_at_every_await(World::postgres().await.unwrap(), Network::Delayed).await;
}

/// A caller of a shared loader is dropped at each await; the others get their rows.
async fn a_dropped_caller_costs_the_others_nothing(world: World, network: Network) {
    let scene = Scene::of(world, network).await;
    let mut cuts = 0;
    // SQLite's thread may answer before the first poll, more so on a busy machine.
    for _ in 0..MOST_AWAITS * ATTEMPTS {
        let loader = Loader::<Request>::new(Arc::clone(&scene.store), scene.rows.scope.clone());
        let (first, second, third) = tokio::join!(
            cut(cuts + 1, loader.find(scene.rows.request.clone())),
            loader.get(scene.rows.request.clone()),
            loader.get(scene.rows.bare.clone()),
        );
        assert_eq!((second.unwrap().id, third.unwrap().id), (scene.rows.request.clone(), scene.rows.bare.clone()));
        if first.is_none() {
            cuts += 1;
        } else if cuts > 0 {
            break;
        }
    }
    println!("{cuts} cut points");
    assert!(cuts > 0);
    drop(scene.store.open_tenant(&scene.rows.scope, UnitOptions::default(), Location::caller()).await.unwrap());
}

#[tokio::test]
async fn a_dropped_caller_of_a_loader_costs_the_others_nothing_on_sqlite() {
    a_dropped_caller_costs_the_others_nothing(World::sqlite().await.unwrap(), Network::Local).await;
}

#[tokio::test]
async fn a_dropped_caller_of_a_loader_costs_the_others_nothing_on_postgres() {
    a_dropped_caller_costs_the_others_nothing(World::postgres().await.unwrap(), Network::Delayed).await;
}
