//! Reads for a token whose user was looked up before: the user is confirmed by the reads themselves.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{TestUser, World};

use super::world;

/// Returns the titles of a page for the user's token.
async fn titles(world: &World, token: &Token) -> Result<Vec<String>, Error> {
    let list = async |unit: TenantAccess| unit.requests().list(RequestFilter::default(), PageRequest::default()).await;
    let page = world.store().read_as(token, Origin::default(), list).await?;
    Ok(page.items.into_iter().map(|request| request.title).collect())
}

async fn end(world: &World, token: &Token) {
    let unit = world.store().identity().await.unwrap();
    unit.sessions().end(token).await.unwrap();
    unit.commit().await.unwrap();
}

fn not_signed_in<T: std::fmt::Debug>(done: &Result<T, Error>) -> bool {
    matches!(done, Err(Error::NotSignedIn))
}

#[tokio::test]
async fn a_token_reads_its_users_rows_the_first_time_and_later() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let ann = ours.user().await.unwrap();
    let (hers, all) = (ann.request().await.unwrap().title, ours.request().await.unwrap().title);
    theirs.request().await.unwrap();

    for _ in 0..3 {
        assert_eq!(titles(&world, &ann.session).await.unwrap(), std::slice::from_ref(&hers));
        assert_eq!(titles(&world, &ours.admin.session).await.unwrap(), [all.clone(), hers.clone()]);
        let nobody = titles(&world, &Token::new("unknown")).await;
        assert!(not_signed_in(&nobody), "{nobody:?}");
    }
}

#[tokio::test]
async fn every_kind_of_read_is_of_the_confirmed_user() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (mine, foreign) = (ours.request().await.unwrap(), theirs.request().await.unwrap());
    let (mine, foreign) = (&mine.id, &foreign.id);

    for _ in 0..3 {
        let work = async |unit: TenantAccess| {
            assert_eq!(unit.requests().get(mine).await?.id, *mine);
            assert_eq!(unit.requests().find_many(&[mine.clone(), foreign.clone()]).await?.len(), 1);
            assert_eq!(unit.requests().find(&"it's".parse().unwrap()).await?, None);
            assert_eq!(
                unit.requests().list_after(RequestFilter::default(), KeysetRequest::default()).await?.items.len(),
                1
            );
            let overview = unit.requests().overview(RequestFilter::default(), KeysetRequest::default()).await?;
            assert_eq!(overview.items.len(), 1);
            assert!(unit.requests().find(foreign).await?.is_none());
            Ok::<_, Error>(unit.user().id().clone())
        };
        let user = world.store().read_as(&ours.admin.session, Origin::default(), work).await.unwrap();
        assert_eq!(user, ours.admin.user.id);
    }
}

#[tokio::test]
async fn a_session_that_ended_or_expired_reads_nothing_any_more() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (ann, bob) = (agency.user().await.unwrap(), agency.user().await.unwrap());
    for user in [&ann, &bob] {
        titles(&world, &user.session).await.unwrap();
    }

    end(&world, &ann.session).await;
    for _ in 0..2 {
        let ended = titles(&world, &ann.session).await;
        assert!(not_signed_in(&ended), "{ended:?}");
    }
    assert_eq!(titles(&world, &bob.session).await.unwrap(), Vec::<String>::new());

    world.env().forward(TimeDelta::days(365));
    let expired = titles(&world, &bob.session).await;
    assert!(not_signed_in(&expired), "{expired:?}");
}

#[tokio::test]
async fn a_user_whose_role_changed_reaches_what_the_new_role_reaches() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    let (hers, other) = (ann.request().await.unwrap().title, agency.request().await.unwrap().title);
    let set = async |role| {
        let unit = agency.unit().await.unwrap();
        unit.users().set_role(&ann.user.id, role).await.unwrap();
        unit.commit().await.unwrap();
    };
    assert_eq!(titles(&world, &ann.session).await.unwrap(), std::slice::from_ref(&hers));

    set(UserRole::AgencyAdmin).await;
    assert_eq!(titles(&world, &ann.session).await.unwrap(), [other.clone(), hers.clone()]);

    set(UserRole::User).await;
    for _ in 0..2 {
        assert_eq!(titles(&world, &ann.session).await.unwrap(), std::slice::from_ref(&hers));
    }
}

#[tokio::test]
async fn work_runs_again_if_the_role_changes_between_two_reads() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    let other = agency.request().await.unwrap().id;
    titles(&world, &ann.session).await.unwrap();
    let calls = AtomicU32::new(0);
    let work = async |unit: TenantAccess| {
        let before = unit.requests().list(RequestFilter::default(), PageRequest::default()).await?.total;
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            let unit = agency.unit().await.unwrap();
            unit.users().set_role(&ann.user.id, UserRole::AgencyAdmin).await?;
            unit.commit().await?;
        }
        let found = unit.requests().find(&other).await?.is_some();
        Ok::<_, Error>((before, found))
    };

    let done = world.store().read_as(&ann.session, Origin::default(), work).await.unwrap();

    // Where the sign-in came first, the first role serves the whole call.
    let expected = if calls.load(Ordering::Relaxed) == 2 { (1, true) } else { (0, false) };
    assert_eq!(done, expected);
    let again = world.store().read_as(&ann.session, Origin::default(), work).await.unwrap();
    assert_eq!(again, (1, true));
}

#[tokio::test]
async fn work_without_a_read_is_done_for_a_confirmed_user_only() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let TestUser { user, session, .. } = agency.user().await.unwrap();
    let work = async |unit: TenantAccess| Ok::<_, Error>(unit.user().id().clone());
    for _ in 0..2 {
        assert_eq!(world.store().read_as(&session, Origin::default(), work).await.unwrap(), user.id);
    }

    end(&world, &session).await;

    let ended = world.store().read_as(&session, Origin::default(), work).await;
    assert!(not_signed_in(&ended), "{ended:?}");
}

#[tokio::test]
async fn an_error_of_the_work_is_returned_for_a_confirmed_user_only() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    let calls = AtomicU32::new(0);
    let refused = async |unit: TenantAccess| {
        calls.fetch_add(1, Ordering::Relaxed);
        unit.users().set_role(&ann.user.id, UserRole::AgencyAdmin).await
    };
    titles(&world, &ann.session).await.unwrap();
    let forbidden = world.store().read_as(&ann.session, Origin::default(), refused).await;
    assert!(matches!(forbidden, Err(Error::Forbidden { .. })), "{forbidden:?}");

    end(&world, &ann.session).await;
    let before = calls.load(Ordering::Relaxed);
    let ended = world.store().read_as(&ann.session, Origin::default(), refused).await;

    assert!(not_signed_in(&ended), "{ended:?}");
    assert!(calls.load(Ordering::Relaxed) <= before + 1, "it does not run for a session that has ended");
}

#[tokio::test]
async fn nothing_is_written() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let remove = async |unit: TenantAccess| unit.requests().remove(&request).await;

    for _ in 0..2 {
        let refused = world.store().read_as(&agency.admin.session, Origin::default(), remove).await;
        assert!(matches!(refused, Err(Error::Invalid { what: "a write", .. })), "{refused:?}");
    }

    assert!(agency.unit().await.unwrap().requests().find(&request).await.unwrap().is_some());
}

#[tokio::test]
async fn an_api_key_reads_its_users_rows() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let key = unit.api_keys().issue(&agency.admin.user.id).await.unwrap();
    unit.commit().await.unwrap();
    let count = async |unit: TenantAccess| {
        Ok::<_, Error>(unit.requests().list(RequestFilter::default(), PageRequest::default()).await?.total)
    };

    assert_eq!(world.store().read_as(&key, Origin::default(), count).await.unwrap(), 1);
}

#[tokio::test]
async fn hostile_tokens_find_nobody() {
    let world = world().await;
    for token in ["", "' OR true --", "\\", "\0", "{}", "x\u{e9}", &"x".repeat(5_000)] {
        for _ in 0..2 {
            let read = titles(&world, &Token::new(token)).await;
            assert!(not_signed_in(&read) || matches!(read, Err(Error::Invalid { .. })), "{token:?}: {read:?}");
        }
    }
}
