//! `set_request_status`: a change of status in a separate unit, recorded, on PostgreSQL in one round trip.

use chrono::TimeDelta;
use rylie_db::entities::{AuditLog, Request};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, SettingsChanges};
use rylie_testkit::TestAgency;

use super::world;

/// Returns the records of changed statuses, the oldest first.
async fn records(agency: &TestAgency<'_>) -> Vec<AuditLog> {
    let filter = AuditFilter { action: Some("REQUEST_STATUS_CHANGED".to_owned()), ..Default::default() };
    let unit = agency.unit().await.unwrap();
    let mut items = unit.audit().list(filter, PageRequest::default()).await.unwrap().items;
    items.sort_by_key(|record| record.position);
    items
}

async fn found(agency: &TestAgency<'_>, id: &RequestId) -> Request {
    agency.unit().await.unwrap().requests().get(id).await.unwrap()
}

#[tokio::test]
async fn what_is_returned_is_what_was_committed() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope) = (world.store(), agency.scope());
    let request = agency.request().await.unwrap();
    for (status, completed) in [
        (RequestStatus::InProgress, false),
        (RequestStatus::Completed, true),
        (RequestStatus::Cancelled, false),
        (RequestStatus::Pending, false),
    ] {
        world.env().forward(TimeDelta::minutes(1));

        let changed = store.set_request_status(&scope, &request.id, status).await.unwrap();

        let stored = found(&agency, &request.id).await;
        assert_eq!(changed, stored);
        let time = completed.then_some(stored.updated_at);
        assert_eq!((stored.status, stored.completed_at), (status, time));
        assert!(stored.updated_at > request.updated_at);
        let status = serde_json::json!({ "status": status });
        assert_eq!(records(&agency).await.pop().unwrap().details, Some(status.into()));
    }
    assert_eq!(records(&agency).await.len(), 4);
}

#[tokio::test]
async fn a_status_that_holds_is_neither_written_nor_recorded() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope) = (world.store(), agency.scope());
    let id = agency.request().await.unwrap().id;
    let first = store.set_request_status(&scope, &id, RequestStatus::Completed).await.unwrap();
    world.env().forward(TimeDelta::minutes(1));

    let second = store.set_request_status(&scope, &id, RequestStatus::Completed).await.unwrap();
    let unit = agency.unit().await.unwrap();
    let third = unit.requests().set_status_recorded(&id, RequestStatus::Completed).await.unwrap();
    unit.commit().await.unwrap();

    assert_eq!((&second, &third), (&first, &first));
    assert_eq!(records(&agency).await.len(), 1);
}

#[tokio::test]
async fn nothing_changes_out_of_reach() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (ann, bob) = (agency.user().await.unwrap(), agency.user().await.unwrap());
    let (mine, theirs) = (agency.request().await.unwrap().id, other.request().await.unwrap().id);
    let store = world.store();
    let new = NewRequest { user: Some(bob.user.id.clone()), ..NewRequest::new("t", RequestKind::Page) };
    let bobs = store.add_request(&agency.scope(), new, Vec::new()).await.unwrap().request.id;
    let unit = agency.unit().await.unwrap();
    unit.requests().remove(&mine).await.unwrap();
    unit.commit().await.unwrap();

    let missing = "nobody's".parse().unwrap();
    for (scope, id) in
        [(agency.scope(), &theirs), (agency.scope(), &mine), (agency.scope(), &missing), (ann.scope(), &bobs)]
    {
        let at_once = store.set_request_status(&scope, id, RequestStatus::Cancelled).await;
        assert!(matches!(at_once, Err(Error::NotFound { entity: "Request" })), "{at_once:?}");
        let unit = store.tenant(&scope).await.unwrap();
        let in_unit = unit.requests().set_status_recorded(id, RequestStatus::Cancelled).await;
        assert!(matches!(in_unit, Err(Error::NotFound { entity: "Request" })), "{in_unit:?}");
        unit.commit().await.unwrap();
    }
    assert!(records(&agency).await.is_empty() && records(&other).await.is_empty());
    assert_eq!(found(&other, &theirs).await.status, RequestStatus::Pending);
    let changed = store.set_request_status(&bob.scope(), &bobs, RequestStatus::InProgress).await.unwrap();
    assert_eq!(found(&agency, &bobs).await, changed);
}

#[tokio::test]
async fn the_record_is_that_of_a_unit_and_obeys_the_settings() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let origin = Origin { user_agent: Some("it's \"a\" browser".into()), ..Origin::default() };
    let scope = TenantScope::of(&agency.admin.signed_in, origin);
    let (store, id) = (world.store(), agency.request().await.unwrap().id);

    store.set_request_status(&scope, &id, RequestStatus::Completed).await.unwrap();
    store.set_request_status(&scope, &id, RequestStatus::Pending).await.unwrap();
    let unit = store.tenant(&scope).await.unwrap();
    unit.requests().set_status_recorded(&id, RequestStatus::Completed).await.unwrap();
    unit.commit().await.unwrap();
    // A unit that is not committed leaves neither.
    let unit = store.tenant(&scope).await.unwrap();
    unit.requests().set_status_recorded(&id, RequestStatus::Cancelled).await.unwrap();
    unit.rollback().await;

    let found = records(&agency).await;
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].resource_id.as_deref(), Some(id.as_str()));
    let same = AuditLog {
        id: found[2].id.clone(),
        position: found[2].position,
        created_at: found[2].created_at,
        ..found[0].clone()
    };
    assert_eq!(same, found[2]);

    let unit = world.platform().await.unwrap();
    let off = SettingsChanges { audit_logging: Some(false), ..Default::default() };
    unit.settings().ensure().await.unwrap();
    unit.settings().update(off).await.unwrap();
    unit.commit().await.unwrap();
    let changed = store.set_request_status(&scope, &id, RequestStatus::Cancelled).await.unwrap();
    assert_eq!((changed.status, records(&agency).await.len()), (RequestStatus::Cancelled, 3));
}

#[tokio::test]
async fn concurrent_calls_record_each_change_once() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope) = (world.store(), agency.scope());
    let id = agency.request().await.unwrap().id;

    let calls = (0..8).map(|_| store.set_request_status(&scope, &id, RequestStatus::Completed));
    for changed in futures_util::future::join_all(calls).await {
        assert_eq!(changed.unwrap().status, RequestStatus::Completed);
    }

    assert_eq!(records(&agency).await.len(), 1);
}
