//! The round trips of a unit of work, counted on the wire.

mod operations;
mod other_operations;

use std::sync::Arc;

use rylie_db::entities::Request;
use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;
use rylie_testkit::{Cluster, DelayProxy, World};

use crate::own::comments;
use crate::support::sql::Sql;

/// A database with one connection, on which each kind of statement has been prepared.
struct Counted {
    world: World,
    proxy: DelayProxy,
    store: Arc<dyn Store>,
    scope: TenantScope,
}

impl Counted {
    async fn new() -> Self {
        let world = World::postgres_with(comments::schema()).await.unwrap();
        let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
        let scope = world.agency().await.unwrap().scope();
        let config = Config::builder().set("database_url", world.url_through(&proxy).unwrap()).unwrap();
        let config = config.set("keyring", world.keyring().display()).unwrap();
        let config = config.set("max_connections", 1).unwrap().build().unwrap();
        let config = config.with(comments::schema()).unwrap();
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

/// The rows of the table.
async fn counted() -> Vec<(&'static str, u64)> {
    [operations::of_requests().await, operations::of_a_connection().await, other_operations::counted().await].concat()
}

/// `UPDATE_SNAPSHOTS=1` writes the table.
#[tokio::test]
async fn the_file_of_the_readme_has_the_counted_round_trips() {
    let counted = counted().await;
    let rows =
        counted.iter().map(|(operation, trips)| format!("| {operation} | {trips} |\n")).collect::<Vec<_>>().concat();
    println!("{rows}");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(file).unwrap();
    let (head, rest) = readme.split_once("| operation | round trips |\n|---|--:|\n").unwrap();
    let end = rest.find("\n\n").unwrap() + 1;
    let written = [head, "| operation | round trips |\n|---|--:|\n", &rows, &rest[end..]].concat();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, &written).unwrap();
    }

    assert_eq!(readme, written);
}

#[tokio::test]
async fn no_operation_takes_more_round_trips_than_its_target() {
    let targets =
        [1, 1, 1, 1, 1, 1, 2, 1, 3, 1, 3, 2, 1, 3, 3, 1, 1, 2, 4, 1, 1, 1, 3, 1, 1, 4, 1, 5, 3, 4, 4, 2, 2, 3];

    let counted = counted().await;

    assert_eq!(counted.len(), targets.len());
    for ((operation, trips), target) in counted.into_iter().zip(targets) {
        assert!(trips <= target, "{operation}: {trips} round trips instead of {target}");
    }
}

/// A first statement with a value that may not stand in a text takes its own round trip.
#[tokio::test]
async fn a_deferred_unit_begins_separately_before_a_text_of_a_user() {
    let counted = Counted::new().await;
    let Counted { store, scope, .. } = &counted;
    let read = async |id: &str| {
        let unit = store.tenant(scope).read_only().deferred().await.unwrap();
        assert_eq!(unit.requests().find(&id.parse().unwrap()).await.unwrap(), None);
    };

    let plain = counted.of(async || read("plain").await).await;
    let other = counted.of(async || read("it's").await).await;

    assert_eq!((plain, other), (1, 2));
}

/// The tokens are sealed again for the id of a row that another program added.
#[tokio::test]
async fn a_connection_of_another_writer_is_saved_in_two_round_trips_and_a_first_one_in_one() {
    let counted = Counted::new().await;
    let Counted { world, store, scope, .. } = &counted;
    let user = scope.user().id();
    let mut sql = Sql::connect(world.url()).await;
    let planted = format!(
        "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\") VALUES ('c1', '{user}', 't', now())"
    );
    let save = async || {
        store.save_ga4_connection(scope, NewGa4Connection::new("token".into())).await.unwrap();
    };
    let first = counted.of(save).await;
    sql.run("DELETE FROM \"GA4Connection\"").await;
    let before = counted.proxy.round_trips();
    save().await;
    assert_eq!((first, counted.proxy.round_trips() - before), (1, 1));

    sql.run(&format!("DELETE FROM \"GA4Connection\"; {planted}")).await;
    assert_eq!(counted.of(save).await, 2);
}
