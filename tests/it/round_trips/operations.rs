//! The operations of web calls, with their round trips in steady state.

use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;

use super::{Counted, new};

/// Sessions, requests and roles.
#[expect(clippy::too_many_lines, reason = "it is one table")]
pub(super) async fn of_requests() -> Vec<(&'static str, u64)> {
    let counted = Counted::new().await;
    let Counted { store, scope, .. } = &counted;
    let unit = store.tenant(scope).await.unwrap();
    let user = unit.users().add(NewUser::new("ann@agency.example")).await.unwrap().id;
    let made = unit.requests().add_with_tasks(new("t"), vec![NewTask::new("a", TaskType::Page)]).await.unwrap();
    unit.commit().await.unwrap();
    store.save_ga4_connection(scope, NewGa4Connection::new(Secret::from("a token"))).await.unwrap();
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
            counted
                .of(async || drop(read().await.ga4_connections().find(scope.user().id()).await.unwrap().unwrap()))
                .await,
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

/// A connection to Google.
pub(super) async fn of_a_connection() -> Vec<(&'static str, u64)> {
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
