//! Savepoints, failing units, and retried units.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use tokio::sync::Barrier;

use super::world;
use crate::support::rows::is_sqlite;

fn new(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

fn named(email: &str) -> NewUser {
    NewUser::new(email)
}

async fn titles(unit: &dyn TenantUnit) -> Vec<String> {
    let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
    let mut titles: Vec<_> = page.items.into_iter().map(|request| request.title).collect();
    titles.sort();
    titles
}

#[tokio::test]
async fn a_part_is_kept_undone_or_dropped_and_the_unit_goes_on() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.requests().add(new("a")).await.unwrap();

    let part = unit.savepoint().await.unwrap();
    unit.requests().add(new("kept")).await.unwrap();
    part.keep().await.unwrap();
    let part = unit.savepoint().await.unwrap();
    unit.requests().add(new("undone")).await.unwrap();
    part.undo().await.unwrap();
    let part = unit.savepoint().await.unwrap();
    unit.requests().add(new("dropped")).await.unwrap();
    drop(part);
    unit.requests().add(new("z")).await.unwrap();
    let part = unit.savepoint().await.unwrap();
    unit.requests().add(new("dropped before the commit")).await.unwrap();
    drop(part);
    unit.commit().await.unwrap();

    assert_eq!(titles(&*agency.unit().await.unwrap()).await, ["a", "kept", "z"]);
}

#[tokio::test]
async fn the_end_of_an_outer_part_ends_those_within() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();

    let outer = unit.savepoint().await.unwrap();
    let inner = unit.savepoint().await.unwrap();
    unit.requests().add(new("inner")).await.unwrap();
    inner.keep().await.unwrap();
    outer.undo().await.unwrap();
    assert!(titles(&*unit).await.is_empty());

    let outer = unit.savepoint().await.unwrap();
    let inner = unit.savepoint().await.unwrap();
    unit.requests().add(new("both")).await.unwrap();
    outer.keep().await.unwrap();
    let later = unit.savepoint().await.unwrap();
    // Too late: neither this savepoint nor the open one is undone.
    assert!(matches!(inner.keep().await, Err(Error::Invalid { what: "the savepoint", .. })));
    later.keep().await.unwrap();
    unit.commit().await.unwrap();

    assert_eq!(titles(&*agency.unit().await.unwrap()).await, ["both"]);
}

#[tokio::test]
async fn a_unit_in_which_a_statement_failed_commits_nothing() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    // An address of another agency: the tenant filter hides it, so the database rejects it and the statement fails.
    let taken = world.agency().await.unwrap().admin.user.email;
    let unit = agency.unit().await.unwrap();
    unit.requests().add(new("half")).await.unwrap();

    assert!(matches!(unit.users().add(named(&taken)).await, Err(Error::Conflict { .. })));
    assert!(matches!(unit.requests().add(new("more")).await, Err(Error::UnitFailed)));
    assert!(matches!(unit.commit().await, Err(Error::UnitFailed)));

    assert!(titles(&*agency.unit().await.unwrap()).await.is_empty());
}

#[tokio::test]
async fn undoing_a_part_fixes_a_unit_in_which_a_statement_failed() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    // An address of another agency: the tenant filter hides it, so the database rejects it and the statement fails.
    let taken = world.agency().await.unwrap().admin.user.email;
    let unit = agency.unit().await.unwrap();
    for (number, email) in [taken.as_str(), "new@example.com", taken.as_str()].into_iter().enumerate() {
        let part = unit.savepoint().await.unwrap();
        unit.requests().add(new(&number.to_string())).await.unwrap();
        match unit.users().add(named(email)).await {
            Ok(_) => part.keep().await.unwrap(),
            Err(Error::Conflict { .. }) => assert!(matches!(part.keep().await, Err(Error::UnitFailed))),
            Err(other) => panic!("{other}"),
        }
    }
    unit.commit().await.unwrap();

    assert_eq!(titles(&*agency.unit().await.unwrap()).await, ["1"]);
}

#[tokio::test]
async fn a_call_that_is_cancelled_breaks_its_unit() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let mut cancelled_calls = 0;
    // A call may complete at its first poll, before it is cancelled. Then the test retries.
    for attempt in 0..400 {
        if cancelled_calls >= 3 {
            break;
        }
        let polls = 1 + attempt % 3;
        let unit = agency.unit().await.unwrap();
        unit.requests().add(new("half")).await.unwrap();
        let mut call = Box::pin(unit.requests().add(new("cancelled")));
        let mut polled = 0;
        let cancelled = futures_util::future::poll_fn(|context| {
            polled += 1;
            if polled > polls {
                return std::task::Poll::Ready(true);
            }
            call.as_mut().poll(context).map(|_| false)
        });
        if !cancelled.await {
            continue;
        }
        drop(call);
        cancelled_calls += 1;
        // Whether the statement ran is unknown, so the unit must not commit.
        assert!(matches!(unit.commit().await, Err(Error::UnitFailed)), "{polls}");
    }
    assert_eq!(cancelled_calls, 3, "calls were finished before they could be cancelled");
    assert!(titles(&*agency.unit().await.unwrap()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_that_lose_against_each_other_are_run_again() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (one, two) = (agency.request().await.unwrap().id, agency.request().await.unwrap().id);
    let attempts = Arc::new(AtomicU32::new(0));
    // On PostgreSQL both hold their first row before either requests its second: a deadlock. SQLite admits one writer.
    let (meet, both) = (!is_sqlite(&world), Arc::new(Barrier::new(2)));
    let work = |first: RequestId, second: RequestId, title: &'static str| {
        let (store, scope, attempts, both) = (world.store(), agency.scope(), attempts.clone(), both.clone());
        // Spawned as in a service: the future is `Send`.
        tokio::spawn(async move {
            let waits = AtomicBool::new(meet);
            retry(Retry::default(), || async {
                attempts.fetch_add(1, Ordering::Relaxed);
                let unit = store.tenant(&scope).await?;
                for id in [&first, &second] {
                    let changes =
                        rylie_db::repositories::RequestChanges { title: Some(title.into()), ..Default::default() };
                    unit.requests().update(id, changes).await?;
                    if waits.swap(false, Ordering::Relaxed) {
                        both.wait().await;
                    }
                }
                unit.commit().await
            })
            .await
        })
    };
    let (first, second) = tokio::join!(work(one.clone(), two.clone(), "a"), work(two, one, "b"));

    first.unwrap().unwrap();
    second.unwrap().unwrap();
    let ended = titles(&*agency.unit().await.unwrap()).await;
    assert!(ended == ["a", "a"] || ended == ["b", "b"], "{ended:?}");
    // PostgreSQL ends one of two deadlocked transactions; SQLite admits one writer at a time.
    assert_eq!(attempts.load(Ordering::Relaxed), if is_sqlite(&world) { 2 } else { 3 });
}
