//! Units whose reads by id are separate transactions.

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
    // Behind a pooler the first read began a transaction with one snapshot.
    let expected = if module_path!().contains("behind_pooler") { before } else { RequestStatus::InProgress };
    assert_eq!((before, after), (RequestStatus::Pending, expected));
}

#[tokio::test]
async fn any_other_read_begins_a_transaction_that_serves_all_that_follow() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = autocommit(&world, &agency.scope()).await;
    unit.requests().get(&request).await.unwrap();
    let listed = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(listed.total, 1);

    let writing = agency.unit().await.unwrap();
    writing.requests().set_status(&request, RequestStatus::Cancelled).await.unwrap();
    writing.commit().await.unwrap();

    assert_eq!(unit.requests().get(&request).await.unwrap().status, RequestStatus::Pending, "one state from then on");
    assert_eq!(unit.statements(), 3);
    unit.commit().await.unwrap();
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
