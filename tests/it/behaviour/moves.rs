//! Moving a user to another agency.

use chrono::TimeDelta;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, NewGa4Connection};

use super::world;

#[tokio::test]
async fn sessions_and_connections_follow_the_user_and_requests_stay() {
    let world = world().await;
    let (north, south) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let member = north.user().await.unwrap().user;
    let store = world.store();
    let unit = store.identity().await.unwrap();
    let token = unit.sessions().begin(&member.id, world.env().now() + TimeDelta::hours(1)).await.unwrap();
    unit.commit().await.unwrap();
    let unit = store.tenant_of(&token, Origin::default()).await.unwrap();
    let request = unit.requests().add(NewRequest::new("ordered in the north", RequestKind::Page)).await.unwrap();
    unit.ga4_connections().save(NewGa4Connection::new("ya29.token".into())).await.unwrap();
    unit.commit().await.unwrap();

    let unit = world.platform().await.unwrap();
    let moved = unit.users().move_to(&member.id, Some(south.agency.id.clone())).await.unwrap();
    unit.commit().await.unwrap();

    assert_eq!(moved.agency_id.as_ref(), Some(&south.agency.id));
    assert_eq!(moved.tenant_id, TenantId::of_agency(&south.agency.id));
    let unit = store.tenant_of(&token, Origin::default()).await.unwrap();
    assert_eq!(unit.scope().tenant(), &moved.tenant_id, "the session follows");
    let opened = unit.ga4_connections().open_tokens(&member.id).await.unwrap().unwrap();
    assert_eq!(opened.access, Secret::from("ya29.token"), "the token still opens");
    assert_eq!(unit.requests().find(&request.id).await.unwrap(), None);
    drop(unit);
    let unit = north.unit().await.unwrap();
    assert!(unit.requests().find(&request.id).await.unwrap().is_some(), "the request stays");
    assert_eq!(unit.users().find(&member.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_move_is_recorded_with_both_agencies_and_out_of_any_is_a_tenant_of_its_own() {
    let world = world().await;
    let north = world.agency().await.unwrap();
    let member = north.user().await.unwrap().user;

    let unit = world.platform().await.unwrap();
    let moved = unit.users().move_to(&member.id, None).await.unwrap();
    unit.commit().await.unwrap();

    assert_eq!(moved.tenant_id, TenantId::of_user(&member.id, None));
    let unit = world.platform().await.unwrap();
    let filter = AuditFilter { action: Some("USER_MOVED".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap();
    assert_eq!(records.total, 1);
    let changes = &records.items[0].details.as_ref().unwrap()["changes"]["agency"];
    assert_eq!(changes["from"].as_str(), Some(north.agency.id.as_str()));
    assert!(changes["to"].is_null());
}

#[tokio::test]
async fn only_a_platform_unit_moves_users_and_only_to_agencies_that_exist() {
    let world = world().await;
    let (north, south) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let member = north.user().await.unwrap().user;
    let unit = north.unit().await.unwrap();
    let refused = unit.users().move_to(&member.id, Some(south.agency.id.clone())).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    drop(unit);

    let unit = world.platform().await.unwrap();
    let nowhere = unit.users().move_to(&member.id, Some("nowhere".parse().unwrap())).await;
    assert!(matches!(nowhere, Err(Error::NotFound { entity: "Agency" })), "{nowhere:?}");
    drop(unit);
    let unit = world.platform().await.unwrap();
    let unknown = unit.users().move_to(&"nobody".parse().unwrap(), None).await;
    assert!(matches!(unknown, Err(Error::NotFound { entity: "User" })), "{unknown:?}");
}

#[tokio::test]
async fn many_users_and_agencies_are_found_in_one_statement_each() {
    let world = world().await;
    let (north, south) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let users = [north.admin.user.id.clone(), south.admin.user.id.clone(), "nobody".parse().unwrap()];
    let agencies = [north.agency.id.clone(), south.agency.id.clone()];

    let unit = world.platform().await.unwrap();
    let before = unit.statements();
    assert_eq!(unit.users().find_many(&users).await.unwrap().len(), 2);
    assert_eq!(unit.agencies().find_many(&agencies).await.unwrap().len(), 2);
    assert_eq!(unit.statements() - before, 2);
    drop(unit);

    let unit = north.unit().await.unwrap();
    let found = unit.users().find_many(&users).await.unwrap();
    assert_eq!(found.iter().map(|user| &user.id).collect::<Vec<_>>(), [&users[0]], "another tenant's is not found");
    assert_eq!(unit.agencies().find_many(&agencies).await.unwrap().len(), 1);
}
