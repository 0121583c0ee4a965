//! Reads from a streaming replica of a real primary that is slowed, lost and promoted. PostgreSQL only.
//!
//! Nothing is timed: a test waits for a state. The tests share one replica, and one test uses it at a time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests; clippy knows only functions marked as such")]

mod closed;
mod fresh;
mod isolation;
mod lost;
mod own_tables;
mod pooled;
mod promoted;
mod reading;
mod round_trips;
mod timelines;
mod two;

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use rylie_db::Database;
use rylie_db::prelude::*;
use rylie_db::repositories::Server;
use rylie_testkit::{Cluster, Replica, World};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

const REPLICA: Server = Server::Replica(1);

/// Longer than any test. The replica is probed once a second.
const FOR_EVER: &[(&str, &str)] = &[("replica_max_lag_seconds", "86400")];

/// A database for one test with an agency, and a store that the replica serves.
struct Scene {
    world: World,
    database: Database,
    store: Arc<dyn Store>,
    scope: TenantScope,
    // Dropped last: then another test may use it.
    replica: MutexGuard<'static, Replica>,
}

impl Scene {
    /// Builds a scene whose store has these additional settings.
    async fn with(settings: &[(&str, &str)]) -> Self {
        let replica = replica().await;
        let world = World::postgres_with_replica(&replica).await.unwrap();
        let database = world.connect_with_settings(settings).await.unwrap();
        let (scope, store) = (world.agency().await.unwrap().scope(), database.store());
        caught_up(&*store, &scope).await;
        Self { world, database, store, scope, replica }
    }
}

/// Returns the replica, healthy and up to date.
async fn replica() -> MutexGuard<'static, Replica> {
    static REPLICA: OnceCell<Mutex<Replica>> = OnceCell::const_new();
    let started = async || Mutex::new(Replica::of(&Cluster::private().await.unwrap()).await.unwrap());
    let mut replica = REPLICA.get_or_init(started).await.lock().await;
    // A failed test may have left it paused or stopped.
    if replica.resume().await.is_err() {
        replica.start().await.unwrap();
    }
    replica
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..12_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came about that {what}");
}

/// Returns the server that a unit opens on.
async fn opens_on(store: &dyn Store, scope: &TenantScope, options: UnitOptions) -> Server {
    store.open_tenant(scope, options, Location::caller()).await.unwrap().server()
}

/// Waits until the replica serves and shows everything committed so far.
pub(crate) async fn caught_up(store: &dyn Store, scope: &TenantScope) -> LogPosition {
    let position = store.tenant(scope).await.unwrap().log_position().await.unwrap();
    let options = UnitOptions::read_only().after(position);
    eventually("the replica caught up", async || opens_on(store, scope, options).await == REPLICA).await;
    position
}

async fn add_request(store: &dyn Store, scope: &TenantScope) -> (RequestId, LogPosition) {
    let unit = store.tenant(scope).await.unwrap();
    let new = NewRequest::new("t", RequestKind::Page);
    let request = unit.requests().add(new).await.unwrap();
    (request.id, unit.commit_with_position().await.unwrap())
}

/// Returns whether a unit sees a request, and on which server.
async fn seen(store: &dyn Store, scope: &TenantScope, options: UnitOptions, request: &RequestId) -> (bool, Server) {
    let unit = store.open_tenant(scope, options, Location::caller()).await.unwrap();
    (unit.requests().find(request).await.unwrap().is_some(), unit.server())
}
