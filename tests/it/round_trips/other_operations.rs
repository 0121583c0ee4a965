//! The other operations, with their round trips in steady state.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use rylie_db::prelude::*;
use rylie_db::repositories::{NewSearchConsoleConnection, PreferencesChanges};

use super::{Counted, new};
use crate::own::comments::{Comments, comment};
use crate::own::downstream::tables;

pub(super) async fn counted() -> Vec<(&'static str, u64)> {
    let counted = Counted::new().await;
    [reads(&counted).await, writes(&counted).await, credentials(&counted).await, across_tenants(&counted).await]
        .concat()
}

async fn reads(counted: &Counted) -> Vec<(&'static str, u64)> {
    let Counted { store, scope, .. } = counted;
    let me = scope.user().id();
    let agency = scope.user().agency().unwrap();
    let unit = store.tenant(scope).await.unwrap();
    let made = unit.requests().add_with_tasks(new("t"), vec![NewTask::new("a", TaskType::Page); 3]).await.unwrap();
    let comment = unit.comments().add(&made.request.id, None, "body").await.unwrap().id;
    unit.preferences().save(me, PreferencesChanges::default()).await.unwrap();
    unit.commit().await.unwrap();
    let request = &made.request.id;
    let read = async || store.tenant(scope).read_only().autocommit().await.unwrap();
    let of_request = || TaskFilter { request: Some(request.clone()), ..Default::default() };
    let first = read().await.tasks().list_after(of_request(), KeysetRequest::first(2)).await.unwrap();
    let next_page = KeysetRequest::after(2, first.next.unwrap());
    vec![
        (
            "row of an own table by id",
            counted
                .of(async || drop(tables(&*read().await).of::<comment::Entity>().get(&comment).await.unwrap()))
                .await,
        ),
        ("agency by id", counted.of(async || drop(read().await.agencies().find(agency).await.unwrap().unwrap())).await),
        (
            "preferences of a user",
            counted.of(async || drop(read().await.preferences().find(me).await.unwrap().unwrap())).await,
        ),
        (
            "request with its user and its tasks",
            counted
                .of(async || {
                    let found = read().await.requests().get_with_tasks(request).await.unwrap();
                    assert_eq!((found.user.unwrap().id, found.tasks.len()), (me.clone(), 3));
                })
                .await,
        ),
        (
            "next page of a walk over tasks",
            counted
                .of(async || {
                    let page = read().await.tasks().list_after(of_request(), next_page.clone()).await.unwrap();
                    assert_eq!(page.items.len(), 1);
                })
                .await,
        ),
        (
            "page of users with total",
            counted
                .of(async || {
                    let page = read().await.users().list(UserFilter::default(), PageRequest::default()).await.unwrap();
                    assert!(page.total > 0);
                })
                .await,
        ),
    ]
}

async fn writes(counted: &Counted) -> Vec<(&'static str, u64)> {
    let Counted { world, store, .. } = counted;
    let agency = world.agency().await.unwrap();
    let gold = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
    let scope = &gold.scope();
    let me = scope.user().id();
    let turn = AtomicUsize::new(0);
    let next = || turn.fetch_add(1, Ordering::Relaxed);
    let unit = store.tenant(scope).await.unwrap();
    let request = unit.requests().add(new("t")).await.unwrap().id;
    unit.commit().await.unwrap();
    let begin = async || store.tenant(scope).deferred().await.unwrap();
    vec![
        (
            "save preferences",
            counted
                .of(async || {
                    let unit = begin().await;
                    let changes = PreferencesChanges { weekly_summary: Some(next() % 2 == 0), ..Default::default() };
                    unit.preferences().save(me, changes).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
        (
            "save a connection to the Search Console, sealed and recorded",
            counted
                .of(async || {
                    let token = NewSearchConsoleConnection::new(Secret::from("an access token"));
                    store.save_search_console_connection(scope, token).await.unwrap();
                })
                .await,
        ),
        (
            "count one use against a quota, once per event",
            counted
                .of(async || {
                    let unit = begin().await;
                    unit.usage().use_page(me, &format!("event-{}", next())).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
        (
            "add a task to a request",
            counted
                .of(async || {
                    let unit = begin().await;
                    unit.tasks().add(&request, NewTask::new("a", TaskType::Page)).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
        (
            "soft-delete a request and restore it, both recorded, in one unit",
            counted
                .of(async || {
                    let unit = begin().await;
                    unit.requests().remove(&request).await.unwrap();
                    unit.requests().restore(&request).await.unwrap();
                    unit.commit().await.unwrap();
                })
                .await,
        ),
    ]
}

async fn credentials(counted: &Counted) -> Vec<(&'static str, u64)> {
    let Counted { store, scope, .. } = counted;
    let me = scope.user().id();
    let sign_in = async || {
        let unit = store.identity().await.unwrap();
        let token = unit.sessions().begin(me, SystemEnv.now() + TimeDelta::days(1)).await.unwrap();
        unit.commit().await.unwrap();
        token
    };
    let mut unused = Vec::new();
    for _ in 0..3 {
        unused.push(sign_in().await);
    }
    let turn = AtomicUsize::new(0);
    let unit = store.tenant(scope).await.unwrap();
    let key = unit.api_keys().issue(me).await.unwrap();
    unit.commit().await.unwrap();
    vec![
        ("begin a session", counted.of(async || drop(sign_in().await)).await),
        (
            "API key → signed-in user",
            counted
                .of(async || {
                    let unit = store.identity().await.unwrap();
                    assert!(unit.api_keys().signed_in(&key).await.unwrap().is_some());
                })
                .await,
        ),
        (
            "token → page of requests by `read_as`, the session's first call",
            counted
                .of(async || {
                    let list = async |unit: TenantAccess| {
                        unit.requests().list(RequestFilter::default(), PageRequest::default()).await
                    };
                    let token = &unused[turn.fetch_add(1, Ordering::Relaxed)];
                    store.read_as(token, Origin::default(), list).await.unwrap();
                })
                .await,
        ),
    ]
}

async fn across_tenants(counted: &Counted) -> Vec<(&'static str, u64)> {
    let read = async || {
        let grant = Grant::job("a report", "to count round trips").unwrap();
        let unit = counted.store.platform(grant).read_only().await.unwrap();
        unit.users().list(UserFilter::default(), PageRequest::default()).await.unwrap();
    };
    vec![("page of users of all tenants, with the record of the access", counted.of(read).await)]
}
