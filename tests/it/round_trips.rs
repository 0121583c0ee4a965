//! The round trips of a unit of work, counted on the wire.

use std::sync::Arc;

use rylie_db::entities::Request;
use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;
use rylie_testkit::{Cluster, DelayProxy, World};

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
        let world = World::postgres().await.unwrap();
        let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
        let scope = world.agency().await.unwrap().scope();
        let config = Config::builder().set("database_url", world.url_through(&proxy).unwrap()).unwrap();
        let config = config.set("keyring", world.keyring().display()).unwrap();
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

/// The operations of the table in the README, with their round trips in steady state.
#[expect(clippy::too_many_lines, reason = "it is one table")]
async fn operations() -> Vec<(&'static str, u64)> {
    let counted = Counted::new().await;
    let Counted { store, scope, .. } = &counted;
    let unit = store.tenant(scope).await.unwrap();
    let user = unit.users().add(NewUser::new("ann@agency.example")).await.unwrap().id;
    let made = unit.requests().add_with_tasks(new("t"), vec![NewTask::new("a", TaskType::Page)]).await.unwrap();
    unit.commit().await.unwrap();
    let (request, task) = (made.request.id, made.tasks[0].id.clone());
    let unit = store.identity().await.unwrap();
    let token = unit.sessions().begin(scope.user().id(), SystemEnv.now() + chrono::TimeDelta::days(1)).await.unwrap();
    unit.commit().await.unwrap();

    let read = async || store.tenant(scope).read_only().autocommit().await.unwrap();
    let page = async |unit: &dyn TenantUnit| {
        let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
        assert!(page.total > 0);
    };
    // Each call changes something: a status or a role that already holds is not written again.
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let next = || turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2;
    vec![
        ("request by id", counted.of(async || drop(read().await.requests().get(&request).await.unwrap())).await),
        ("task by id", counted.of(async || drop(read().await.tasks().find(&task).await.unwrap().unwrap())).await),
        ("user by id", counted.of(async || drop(read().await.users().get(&user).await.unwrap())).await),
        (
            "connection of a user",
            counted.of(async || drop(read().await.ga4_connections().find(&user).await.unwrap())).await,
        ),
        ("page of requests with total", counted.of(async || page(&*read().await).await).await),
        (
            "session token → signed-in user",
            counted.of(async || drop(store.signed_in(&token).await.unwrap().unwrap())).await,
        ),
        (
            "authenticated call: token → page of requests",
            counted
                .of(async || page(&**store.tenant_of(&token, Origin::default()).read_only().await.unwrap()).await)
                .await,
        ),
        (
            "the same by `read_as`, after the session's first call",
            counted
                .of(async || {
                    let list = async |unit: TenantAccess| {
                        unit.requests().list(RequestFilter::default(), PageRequest::default()).await
                    };
                    assert!(store.read_as(&token, Origin::default(), list).await.unwrap().total > 0);
                })
                .await,
        ),
        (
            "authenticated call: token → change of a status, committed",
            counted
                .of(async || {
                    let unit = store.tenant_of(&token, Origin::default()).await.unwrap();
                    let status = [RequestStatus::InProgress, RequestStatus::Completed][next()];
                    unit.requests().set_status(&request, status).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
        (
            "create a request with ten tasks, recorded (`add_request`)",
            counted
                .of(async || {
                    let tasks = vec![NewTask::new("a task's title", TaskType::Page); 10];
                    store.add_request(scope, new("a request's title"), tasks).recorded().await.unwrap();
                })
                .await,
        ),
        (
            "create a request with ten tasks, in a unit",
            counted
                .of(async || {
                    let unit = store.tenant(scope).deferred().await.unwrap();
                    let tasks = vec![NewTask::new("a task's title", TaskType::Page); 10];
                    unit.requests().add_with_tasks(new("a request's title"), tasks).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
        (
            "change a status",
            counted
                .of(async || {
                    let unit = store.tenant(scope).deferred().await.unwrap();
                    let status = [RequestStatus::InProgress, RequestStatus::Completed][next()];
                    unit.requests().set_status(&request, status).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
        (
            "change a status, recorded (`set_request_status`)",
            counted
                .of(async || {
                    let status = [RequestStatus::InProgress, RequestStatus::Completed][next()];
                    store.set_request_status(scope, &request, status).await.unwrap();
                })
                .await,
        ),
        (
            "change a status, recorded, in a unit",
            counted
                .of(async || {
                    let unit = store.tenant(scope).deferred().await.unwrap();
                    let status = [RequestStatus::InProgress, RequestStatus::Completed][next()];
                    unit.requests().set_status_recorded(&request, status).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
        (
            "change a role (recorded)",
            counted
                .of(async || {
                    let unit = store.tenant(scope).deferred().await.unwrap();
                    let role = [UserRole::AgencyAdmin, UserRole::User][next()];
                    unit.users().set_role(&user, role).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
    ]
}

/// The operations of a connection to Google.
async fn operations_of_a_connection() -> Vec<(&'static str, u64)> {
    let counted = Counted::new().await;
    let Counted { store, scope, .. } = &counted;
    let read = async || store.tenant(scope).read_only().autocommit().await.unwrap();
    let token_of = |token| NewGa4Connection::new(Secret::from(token));
    let at_once = async || store.save_ga4_connection(scope, token_of("an access token")).await.unwrap();
    let save = async || {
        let unit = store.tenant(scope).deferred().await.unwrap();
        unit.ga4_connections().save(token_of("an access token")).await.unwrap();
        unit.commit().await.unwrap();
        let opened = read().await.ga4_connections().open_tokens(scope.user().id()).await.unwrap().unwrap();
        assert_eq!(opened.access.expose(), "an access token");
    };
    vec![
        (
            "save a connection, sealed and recorded (`save_ga4_connection`)",
            counted.of(async || drop(at_once().await)).await,
        ),
        (
            "the same, and open what the server returned",
            counted
                .of(async || {
                    let saved = at_once().await;
                    let opened = read().await.ga4_connections().open(&saved).await.unwrap();
                    assert_eq!(opened.access.expose(), "an access token");
                })
                .await,
        ),
        (
            "the same, and read it back",
            counted
                .of(async || {
                    at_once().await;
                    let opened = read().await.ga4_connections().open_tokens(scope.user().id()).await.unwrap().unwrap();
                    assert_eq!(opened.access.expose(), "an access token");
                })
                .await,
        ),
        ("save a connection in a unit and read it back", counted.of(save).await),
    ]
}

/// `UPDATE_SNAPSHOTS=1` writes the table.
#[tokio::test]
async fn the_file_of_the_readme_has_the_counted_round_trips() {
    let counted = [operations().await, operations_of_a_connection().await].concat();
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
    let targets = [1, 1, 1, 1, 1, 1, 2, 1, 3, 1, 3, 2, 1, 3, 3, 1, 1, 2, 4];

    let counted = [operations().await, operations_of_a_connection().await].concat();

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
