//! Calls that may be repeated.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::maintenance::{Sweep, remove_expired};
use rylie_db::prelude::*;
use rylie_db::repositories::{Claim, Error};

use super::world;

/// Creates a request under a key, as a service does. Returns the id of the request of the first call.
async fn create(store: &dyn Store, scope: &TenantScope, key: &str, fingerprint: &str) -> Result<String, Error> {
    let unit = store.tenant(scope).await?;
    match unit.idempotency().claim(key, fingerprint).await? {
        Claim::Answered(answer) => Ok(answer),
        Claim::New => {
            let request = unit.requests().add(NewRequest::new("once", RequestKind::Page)).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
            unit.idempotency().answer(key, request.id.as_str()).await?;
            unit.commit().await?;
            Ok(request.id.to_string())
        }
    }
}

async fn requests(store: &dyn Store, scope: &TenantScope) -> u64 {
    let unit = store.tenant(scope).read_only().await.unwrap();
    unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls_with_one_key_have_one_effect_and_one_answer() {
    let world = world().await;
    let (store, scope) = (world.store(), Arc::new(world.agency().await.unwrap().scope()));
    let calls = (0..8).map(|_| {
        let (store, scope) = (store.clone(), scope.clone());
        tokio::spawn(async move {
            retry(Retry::default(), || async { create(&*store, &scope, "key", "the call").await }).await.unwrap()
        })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }

    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(requests(&*store, &scope).await, 1);
}

#[tokio::test]
async fn a_key_with_another_call_is_refused_and_changes_nothing() {
    let world = world().await;
    let (store, scope) = (world.store(), world.agency().await.unwrap().scope());
    create(&*store, &scope, "key", "the call").await.unwrap();

    let refused = create(&*store, &scope, "key", "another call").await;

    assert!(matches!(refused, Err(Error::KeyReused)), "{refused:?}");
    assert_eq!(requests(&*store, &scope).await, 1);
}

#[tokio::test]
async fn a_call_that_was_rolled_back_runs_when_it_is_repeated() {
    let world = world().await;
    let (store, scope) = (world.store(), world.agency().await.unwrap().scope());
    let unit = store.tenant(&scope).await.unwrap();
    assert_eq!(unit.idempotency().claim("key", "the call").await.unwrap(), Claim::New);
    unit.requests().add(NewRequest::new("rolled back", RequestKind::Page)).await.unwrap();
    drop(unit);

    create(&*store, &scope, "key", "the call").await.unwrap();

    assert_eq!(requests(&*store, &scope).await, 1);
}

#[tokio::test]
async fn another_user_and_another_tenant_have_their_own_keys() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let member = ours.user().await.unwrap();
    let store = world.store();

    let mut answers = Vec::new();
    for scope in [ours.scope(), theirs.scope(), member.scope()] {
        answers.push(create(&*store, &scope, "key", "the call").await.unwrap());
    }

    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 3);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day_and_the_job_removes_it() {
    let world = world().await;
    let (store, scope) = (world.store(), world.agency().await.unwrap().scope());
    let first = create(&*store, &scope, "key", "the call").await.unwrap();
    create(&*store, &scope, "other", "the call").await.unwrap();
    world.env().forward(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(create(&*store, &scope, "key", "the call").await.unwrap(), first);

    world.env().forward(TimeDelta::seconds(2));

    assert_ne!(create(&*store, &scope, "key", "another call").await.unwrap(), first);
    let removed = remove_expired(&*store, &Sweep::default()).await.unwrap();
    assert_eq!(removed.idempotency_keys, 1, "the other one");
}

#[tokio::test]
async fn keys_that_are_empty_or_too_long_are_refused() {
    let world = world().await;
    let (store, scope) = (world.store(), world.agency().await.unwrap().scope());
    for key in ["", "a\0b", "line\nbreak", &"x".repeat(256)] {
        let unit = store.tenant(&scope).await.unwrap();
        assert!(matches!(unit.idempotency().claim(key, "f").await, Err(Error::Invalid { .. })), "{key:?}");
    }
    create(&*store, &scope, &"x".repeat(255), "f").await.unwrap();
}
