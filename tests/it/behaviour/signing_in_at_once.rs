//! Signing in and opening the user's tenant at once.

use chrono::TimeDelta;
use rylie_db::prelude::*;
use rylie_db::repositories::Error;

use super::world;

async fn session(store: &dyn Store, user: &UserId, env: &dyn Env) -> Token {
    let unit = store.identity().await.unwrap();
    let token = unit.sessions().begin(user, env.now() + TimeDelta::hours(1)).await.unwrap();
    unit.commit().await.unwrap();
    token
}

#[tokio::test]
async fn a_token_opens_its_users_tenant_and_no_other() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (mine, foreign) = (ours.request().await.unwrap(), theirs.request().await.unwrap());
    let store = world.store();
    let token = session(&*store, &ours.admin.user.id, world.env()).await;

    let unit = store.tenant_of(&token, Origin::default()).await.unwrap();
    assert_eq!(unit.user().id(), &ours.admin.user.id);
    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 1);
    assert_eq!(unit.requests().find(&foreign.id).await.unwrap(), None);
    unit.requests().set_status(&mine.id, RequestStatus::Completed).await.unwrap();
    unit.commit().await.unwrap();

    let unit = store.tenant_of(&token, Origin::default()).read_only().await.unwrap();
    assert_eq!(unit.requests().get(&mine.id).await.unwrap().status, RequestStatus::Completed);
    assert!(matches!(unit.requests().remove(&mine.id).await, Err(Error::Invalid { what: "a write", .. })));
}

#[tokio::test]
async fn an_unknown_and_an_expired_token_are_refused_alike() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let store = world.store();
    let token = session(&*store, &agency.admin.user.id, world.env()).await;
    world.env().forward(TimeDelta::hours(1));

    for token in [token, Token::new("unknown"), Token::new(""), Token::new("x' OR '1'='1"), Token::new("a\0b")] {
        let opened = store.tenant_of(&token, Origin::default()).await;
        assert!(matches!(opened, Err(Error::NotSignedIn)), "{opened:?}");
        assert_eq!(store.signed_in(&token).await.unwrap(), None);
        let unit = store.identity().await.unwrap();
        assert_eq!(unit.sessions().signed_in(&token).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_member_reaches_only_its_own_rows() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    agency.request().await.unwrap();
    let member = agency.user().await.unwrap();
    let store = world.store();
    let token = session(&*store, &member.user.id, world.env()).await;

    let unit = store.tenant_of(&token, Origin::default()).read_only().await.unwrap();

    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 0);
}

#[tokio::test]
async fn an_api_key_opens_its_users_tenant() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let key = unit.api_keys().issue(&agency.admin.user.id).await.unwrap();
    unit.commit().await.unwrap();
    let store = world.store();

    let unit = store.tenant_of(&key, Origin::default()).await.unwrap();
    assert_eq!(unit.user().id(), &agency.admin.user.id);
    unit.requests().add(NewRequest::new("by a program", RequestKind::Page)).await.unwrap();
    unit.commit().await.unwrap();

    let wrong = Secret::from("rk_wrong");
    assert!(matches!(store.tenant_of(&wrong, Origin::default()).await, Err(Error::NotSignedIn)));
}

#[tokio::test]
async fn reading_identities_does_not_wait_for_a_writer() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let store = world.store();
    let token = session(&*store, &agency.admin.user.id, world.env()).await;
    let writer = agency.unit().await.unwrap();
    writer.requests().add(NewRequest::new("being written", RequestKind::Page)).await.unwrap();

    let read = async {
        let identity = store.identity().read_only().await.unwrap();
        assert!(identity.sessions().signed_in(&token).await.unwrap().is_some());
        let unit = store.tenant_of(&token, Origin::default()).read_only().await.unwrap();
        unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total
    };
    let total = tokio::time::timeout(std::time::Duration::from_secs(2), read).await;

    assert_eq!(total.unwrap(), 0, "the writer has not committed");
    writer.commit().await.unwrap();
}
