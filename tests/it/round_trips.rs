//! The round trips of a unit of work, counted on the wire.

use std::sync::Arc;

use rylie_db::entities::Request;
use rylie_db::prelude::*;
use rylie_testkit::{Cluster, DelayProxy, World};

/// A database with one connection, on which each kind of statement has been prepared.
struct Counted {
    world: World,
    proxy: DelayProxy,
    store: Arc<dyn Store>,
    scope: TenantScope,
}

impl Counted {
    async fn new() -> Self {
        let world = World::postgres().await.unwrap();
        let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
        let scope = world.agency().await.unwrap().scope();
        let config = Config::builder().set("database_url", world.url_through(&proxy).unwrap()).unwrap();
        let config = config.set("max_connections", 1).unwrap().build().unwrap();
        let store = Database::connect(config).await.unwrap().store();
        Self { world, proxy, store, scope }
    }

    /// Counts the round trips that the caller of `work` waits for, after the connection has prepared its statements.
    /// All runs on one thread, so background work has not continued when `work` ends.
    async fn of(&self, work: impl AsyncFn()) -> u64 {
        work().await;
        work().await;
        // The only connection becomes free after the end of the previous unit. The end of this one is one round trip.
        let settled = self.store.tenant(&self.scope).read_only().await.unwrap();
        let before = self.proxy.round_trips() + 1;
        drop(settled);
        work().await;
        self.proxy.round_trips() - before
    }
}

fn new(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

#[tokio::test]
async fn a_unit_opens_in_one_round_trip_and_a_read_in_it_is_one_more() {
    let counted = Counted::new().await;
    let request = counted.world.agency().await.unwrap().request().await.unwrap().id;

    let opened = counted.of(async || drop(counted.store.tenant(&counted.scope).await.unwrap())).await;
    let read = counted
        .of(async || {
            let unit = counted.store.tenant(&counted.scope).read_only().await.unwrap();
            unit.requests().find(&request).await.unwrap();
        })
        .await;
    let listed = counted
        .of(async || {
            let unit = counted.store.tenant(&counted.scope).read_only().await.unwrap();
            unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
            unit.requests().list_after(RequestFilter::default(), KeysetRequest::default()).await.unwrap();
        })
        .await;

    assert_eq!((opened, read, listed), (1, 2, 3), "a page and its total are one, and a walk has none");
}

#[tokio::test]
async fn a_read_by_id_in_autocommit_is_one_round_trip_and_so_is_a_loaders_batch() {
    let counted = Counted::new().await;
    let request = counted.world.agency().await.unwrap().request().await.unwrap().id;
    let loader = Loader::<Request>::new(counted.store.clone(), counted.scope.clone());

    let before = counted.proxy.round_trips();
    drop(counted.store.tenant(&counted.scope).read_only().autocommit().await.unwrap());
    assert_eq!(counted.proxy.round_trips(), before);
    let read = counted
        .of(async || {
            let unit = counted.store.tenant(&counted.scope).read_only().autocommit().await.unwrap();
            unit.requests().find(&request).await.unwrap();
        })
        .await;
    let batch = counted.of(async || drop(loader.find(request.clone()).await.unwrap())).await;

    assert_eq!((read, batch), (1, 1));
}

#[tokio::test]
async fn a_read_ends_without_waiting_and_a_write_with_one_round_trip() {
    let counted = Counted::new().await;
    // No more traffic reaches the client: a unit that ends nevertheless has not waited for an answer.
    let unit = counted.store.tenant(&counted.scope).read_only().await.unwrap();
    unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
    let before = counted.proxy.bytes_to_client();
    unit.commit().await.unwrap();
    assert_eq!(counted.proxy.bytes_to_client(), before);

    let written = counted
        .of(async || {
            let unit = counted.store.tenant(&counted.scope).await.unwrap();
            unit.requests().add_with_tasks(new("t"), vec![NewTask::new("a", TaskType::Page); 10]).await.unwrap();
            unit.commit().await.unwrap();
        })
        .await;
    assert_eq!(written, 3, "to begin, to read the owner and add the request and its tasks, to commit");
}

#[tokio::test]
async fn from_a_token_to_a_page_are_three_round_trips() {
    let counted = Counted::new().await;
    let agency = counted.world.agency().await.unwrap();
    agency.request().await.unwrap();
    let unit = counted.store.identity().await.unwrap();
    let expires = SystemEnv.now() + chrono::TimeDelta::days(1);
    let token = unit.sessions().begin(&agency.admin.user.id, expires).await.unwrap();
    unit.commit().await.unwrap();

    let page = counted
        .of(async || {
            let unit = counted.store.tenant_of(&token, Origin::default()).read_only().await.unwrap();
            unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
        })
        .await;

    assert_eq!(page, 3, "to begin, to sign in and assume the tenant, to read the page");
}
