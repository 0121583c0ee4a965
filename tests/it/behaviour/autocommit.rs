//! Units whose reads by id and pages are separate transactions.

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::World;

use super::world;

async fn autocommit(world: &World, scope: &TenantScope) -> Box<dyn TenantUnit> {
    world.store().tenant(scope).read_only().autocommit().await.unwrap()
}

#[tokio::test]
async fn rows_are_read_by_id_and_none_of_another_tenant_or_that_was_removed() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (request, removed) = (agency.request().await.unwrap(), agency.request().await.unwrap().id);
    let foreign = other.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let task = unit.tasks().add(&request.id, NewTask::new("t", TaskType::Page)).await.unwrap();
    unit.requests().remove(&removed).await.unwrap();
    unit.commit().await.unwrap();

    // The first builds the SQL text, the second reuses it.
    for _ in 0..2 {
        let unit = autocommit(&world, &agency.scope()).await;
        assert_eq!(unit.requests().get(&request.id).await.unwrap(), request);
        assert_eq!(unit.tasks().find_many(std::slice::from_ref(&task.id)).await.unwrap(), std::slice::from_ref(&task));
        for hidden in [&removed, &foreign] {
            assert!(matches!(unit.requests().get(hidden).await, Err(Error::NotFound { entity: "Request" })));
        }
        let among = vec![foreign.clone(), request.id.clone(), removed.clone()];
        assert_eq!(unit.requests().find_many(&among).await.unwrap(), std::slice::from_ref(&request));
        assert_eq!(unit.statements(), 5);
    }
    let unit = autocommit(&world, &other.scope()).await;
    assert_eq!(unit.requests().find(&request.id).await.unwrap(), None);
    assert!(unit.tasks().find_many(&[task.id]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_reaches_only_the_users_own_rows() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    let (hers, theirs) = (ann.request().await.unwrap(), agency.request().await.unwrap());

    let unit = autocommit(&world, &ann.scope()).await;

    let found = unit.requests().find_many(&[theirs.id.clone(), hers.id.clone()]).await.unwrap();
    assert_eq!(found, [hers]);
    assert_eq!(unit.requests().find(&theirs.id).await.unwrap(), None);
}

#[tokio::test]
async fn each_read_sees_what_was_committed_before_it() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = autocommit(&world, &agency.scope()).await;
    let before = unit.requests().get(&request).await.unwrap().status;

    let writing = agency.unit().await.unwrap();
    writing.requests().set_status(&request, RequestStatus::InProgress).await.unwrap();
    writing.commit().await.unwrap();

    let after = unit.requests().get(&request).await.unwrap().status;
    assert_eq!((before, after), (RequestStatus::Pending, RequestStatus::InProgress));
}

#[tokio::test]
async fn any_other_read_begins_a_transaction_that_serves_all_that_follow() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = autocommit(&world, &agency.scope()).await;
    unit.requests().get(&request).await.unwrap();
    let overview = unit.requests().overview(RequestFilter::default(), KeysetRequest::default()).await.unwrap();
    assert_eq!(overview.items.len(), 1);

    let writing = agency.unit().await.unwrap();
    writing.requests().set_status(&request, RequestStatus::Cancelled).await.unwrap();
    writing.commit().await.unwrap();

    assert_eq!(unit.requests().get(&request).await.unwrap().status, RequestStatus::Pending, "one state from then on");
    assert_eq!(unit.statements(), 5, "an overview is three");
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn pages_show_the_tenants_rows_and_what_was_committed_before_each() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let first = agency.request().await.unwrap().id;
    other.request().await.unwrap();
    let unit = autocommit(&world, &agency.scope()).await;
    let page = async || unit.requests().list(RequestFilter::default(), PageRequest::new(1, 0)).await.unwrap();
    let before = page().await;
    assert_eq!((before.items[0].id.clone(), before.total), (first.clone(), 1));

    let second = agency.request().await.unwrap().id;

    let after = page().await;
    assert_eq!((after.items[0].id.clone(), after.total), (second.clone(), 2));
    let (mut walked, mut request) = (Vec::new(), KeysetRequest::first(1));
    loop {
        let walk = unit.requests().list_after(RequestFilter::default(), request).await.unwrap();
        walked.extend(walk.items.into_iter().map(|item| item.id));
        let Some(next) = walk.next else { break };
        request = KeysetRequest::after(1, next);
    }
    assert_eq!(walked, [second, first]);
    let past = unit.requests().list(RequestFilter::default(), PageRequest::new(1, 9)).await.unwrap();
    assert_eq!((past.items.len(), past.total), (0, 2));
}

#[tokio::test]
async fn a_users_page_has_the_users_own_rows_only() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    let hers = ann.request().await.unwrap();
    agency.request().await.unwrap();
    let unit = autocommit(&world, &ann.scope()).await;

    let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();

    assert_eq!((page.items, page.total), (vec![hers], 1));
}

#[tokio::test]
async fn a_signed_in_users_pages_are_separate_transactions() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    let hers = ann.request().await.unwrap();
    agency.request().await.unwrap();
    let identity = world.store().identity().await.unwrap();
    let expires = SystemEnv.now() + chrono::TimeDelta::days(1);
    let token = identity.sessions().begin(ann.scope().user().id(), expires).await.unwrap();
    identity.commit().await.unwrap();

    let unit = world.store().tenant_of(&token, Origin::default()).read_only().autocommit().await.unwrap();
    for _ in 0..2 {
        let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
        assert_eq!(page.items, std::slice::from_ref(&hers));
    }

    let nobody = world.store().tenant_of(Token::new("unknown"), Origin::default()).read_only().autocommit().await;
    assert!(matches!(nobody, Err(Error::NotSignedIn)));
}

#[tokio::test]
async fn nothing_is_written() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = autocommit(&world, &agency.scope()).await;

    let refused = unit.requests().remove(&request).await;

    assert!(matches!(refused, Err(Error::Invalid { what: "a write", .. })), "{refused:?}");
    drop(unit);
    assert!(agency.unit().await.unwrap().requests().find(&request).await.unwrap().is_some());
}

#[tokio::test]
async fn a_hostile_id_finds_nothing_or_is_refused() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    agency.request().await.unwrap();
    let unit = autocommit(&world, &agency.scope()).await;

    for id in ["' OR true --", "{\"a\"}", "$1", "\\", "%", "NULL", &"x".repeat(255)] {
        assert_eq!(unit.requests().find(&id.parse().unwrap()).await.unwrap(), None, "{id}");
    }
}
